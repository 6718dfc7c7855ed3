//! Places on the earth: which shapes they are in, and in which box to look for them.

use serde_json::{Map, Value};

/// The mean radius of the earth (IUGG), in metres: distances are those on a sphere of it.
const RADIUS_M: f64 = 6_371_008.8;
/// The key of a point's latitude.
pub(crate) const LAT: &str = "lat";
/// The key of a point's longitude.
pub(crate) const LON: &str = "lon";

/// A place.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Place {
    /// Degrees north, -90 to 90.
    pub lat: f64,
    /// Degrees east, -180 to 180.
    pub lon: f64,
}

/// A ring of places; the last is joined to the first.
pub type Ring = Vec<Place>;

/// What a place can be in. Lines and ends belong to it.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// Not farther from the centre than so many metres, on a great circle.
    Circle {
        /// The centre.
        center: Place,
        /// Its radius.
        meters: f64,
    },
    /// Between two parallels and two meridians; across the 180th where `west` is greater than `east`.
    Box {
        /// Its southern end.
        south: f64,
        /// Its western end.
        west: f64,
        /// Its northern end.
        north: f64,
        /// Its eastern end.
        east: f64,
    },
    /// Inside the outer ring and in none of the holes; edges are straight in degrees.
    Polygon {
        /// At least three places.
        outer: Ring,
        /// Each of at least three places.
        holes: Vec<Ring>,
    },
}

/// Latitudes and runs of longitudes in which all places of a shape are.
pub(crate) struct Bounding {
    pub(crate) south: f64,
    pub(crate) north: f64,
    /// One run, or two where the shape goes across the 180th meridian.
    pub(crate) lons: Vec<(f64, f64)>,
}

impl Place {
    /// The place, where there are such degrees.
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Self { lat, lon })
    }

    /// The place that an object with the numbers `lat` and `lon` is.
    pub fn of(fields: &Map<String, Value>) -> Option<Self> {
        Self::new(fields.get(LAT)?.as_f64()?, fields.get(LON)?.as_f64()?)
    }

    /// Metres on a great circle (haversine).
    pub fn meters_to(self, other: Self) -> f64 {
        let half = |one: f64, other: f64| ((other - one).to_radians() / 2.0).sin().powi(2);
        let turned = self.lat.to_radians().cos() * other.lat.to_radians().cos();
        let chord = half(self.lat, other.lat) + turned * half(self.lon, other.lon);
        2.0 * RADIUS_M * chord.clamp(0.0, 1.0).sqrt().asin()
    }
}

impl Shape {
    /// Whether the place is in the shape.
    pub fn has(&self, place: Place) -> bool {
        match self {
            Self::Circle { center, meters } => center.meters_to(place) <= *meters,
            Self::Box { south, west, north, east } => {
                let lon = if west <= east {
                    (*west..=*east).contains(&place.lon)
                } else {
                    place.lon >= *west || place.lon <= *east
                };
                (*south..=*north).contains(&place.lat) && lon
            }
            Self::Polygon { outer, holes } => inside(outer, place) && !holes.iter().any(|hole| inside(hole, place)),
        }
    }

    /// What is wrong with it, if something is.
    pub(crate) fn mistake(&self) -> Option<String> {
        let off = |place: &Place| Place::new(place.lat, place.lon).is_none();
        match self {
            Self::Circle { center, meters } => {
                let wrong = off(center) || !meters.is_finite() || *meters < 0.0;
                wrong.then(|| format!("{meters} m around {}, {}", center.lat, center.lon))
            }
            Self::Box { south, west, north, east } => {
                let (low, high) = (Place { lat: *south, lon: *west }, Place { lat: *north, lon: *east });
                let wrong = off(&low) || off(&high) || south > north;
                wrong.then(|| format!("a box from {south}, {west} to {north}, {east}"))
            }
            Self::Polygon { outer, holes } => {
                let mut rings = std::iter::once(outer).chain(holes);
                let wrong = rings.find(|ring| ring.len() < 3 || ring.iter().any(off))?;
                Some(format!("a ring of {} places", wrong.len()))
            }
        }
    }

    /// How many places describe it.
    pub(crate) fn places(&self) -> usize {
        match self {
            Self::Circle { .. } => 1,
            Self::Box { .. } => 2,
            Self::Polygon { outer, holes } => outer.len() + holes.iter().map(Vec::len).sum::<usize>(),
        }
    }

    pub(crate) fn bounding(&self) -> Bounding {
        match self {
            Self::Circle { center, meters } => around(*center, *meters),
            Self::Box { south, west, north, east } => {
                let lons = if west <= east { vec![(*west, *east)] } else { vec![(*west, 180.0), (-180.0, *east)] };
                Bounding { south: *south, north: *north, lons }
            }
            Self::Polygon { outer, .. } => {
                let ends = |of: fn(&Place) -> f64| {
                    let all = outer.iter().map(of);
                    all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), one| (low.min(one), high.max(one)))
                };
                let ((south, north), lons) = (ends(|place| place.lat), ends(|place| place.lon));
                Bounding { south, north, lons: vec![lons] }
            }
        }
    }
}

/// A little more than the circle, for the last bits of sines.
fn around(center: Place, meters: f64) -> Bounding {
    let angle = (meters / RADIUS_M) * 1.000_001 + 1e-9;
    let (south, north) = (center.lat - angle.to_degrees(), center.lat + angle.to_degrees());
    let everywhere = vec![(-180.0, 180.0)];
    if south <= -90.0 || north >= 90.0 {
        // A pole is inside: every meridian is.
        return Bounding { south, north, lons: everywhere };
    }
    let spread = (angle.sin() / center.lat.to_radians().cos()).clamp(-1.0, 1.0).asin().to_degrees() + 1e-9;
    let (west, east) = (center.lon - spread, center.lon + spread);
    let lons = match (west < -180.0, east > 180.0) {
        (true, true) => everywhere,
        (true, false) => vec![(west + 360.0, 180.0), (-180.0, east)],
        (false, true) => vec![(west, 180.0), (-180.0, east - 360.0)],
        (false, false) => vec![(west, east)],
    };
    Bounding { south, north, lons }
}

/// By counting the edges that a ray eastwards crosses; a place on an edge is inside.
fn inside(ring: &[Place], place: Place) -> bool {
    let mut odd = false;
    let Some(mut from) = ring.last() else { return false };
    for to in ring {
        if on_edge(*from, *to, place) {
            return true;
        }
        if (from.lat > place.lat) != (to.lat > place.lat) {
            let lon = from.lon + (place.lat - from.lat) / (to.lat - from.lat) * (to.lon - from.lon);
            odd ^= place.lon < lon;
        }
        from = to;
    }
    odd
}

fn on_edge(from: Place, to: Place, place: Place) -> bool {
    let turn = (to.lon - from.lon) * (place.lat - from.lat) - (to.lat - from.lat) * (place.lon - from.lon);
    let between = |one: f64, other: f64, at: f64| at >= one.min(other) && at <= one.max(other);
    turn == 0.0 && between(from.lat, to.lat, place.lat) && between(from.lon, to.lon, place.lon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(lat, lon).unwrap()
    }

    #[test]
    fn distances_are_those_of_the_sphere() {
        let (berlin, paris) = (place(52.52, 13.405), place(48.8566, 2.3522));
        assert!((berlin.meters_to(paris) - 877_464.0).abs() < 1_000.0, "{}", berlin.meters_to(paris));
        assert_eq!(berlin.meters_to(berlin), 0.0);
        let around = place(0.0, 0.0).meters_to(place(0.0, 180.0));
        assert!((around - std::f64::consts::PI * RADIUS_M).abs() < 1.0);
    }

    #[test]
    fn shapes_hold_what_is_in_them() {
        let across = Shape::Box { south: -10.0, west: 170.0, north: 10.0, east: -170.0 };
        assert!(across.has(place(0.0, 175.0)) && across.has(place(10.0, -170.0)) && !across.has(place(0.0, 0.0)));
        let ring = |places: &[(f64, f64)]| places.iter().map(|(lat, lon)| place(*lat, *lon)).collect::<Ring>();
        let square = ring(&[(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0)]);
        let hole = ring(&[(4.0, 4.0), (4.0, 6.0), (6.0, 5.0)]);
        let polygon = Shape::Polygon { outer: square, holes: vec![hole] };
        assert!(polygon.has(place(1.0, 1.0)) && polygon.has(place(0.0, 5.0)) && polygon.has(place(10.0, 10.0)));
        assert!(!polygon.has(place(5.0, 5.0)) && !polygon.has(place(11.0, 5.0)) && !polygon.has(place(5.0, -1.0)));
    }

    #[test]
    fn what_is_no_shape_is_told() {
        let off = Place { lat: 91.0, lon: 0.0 };
        let wrong = [
            Shape::Circle { center: off, meters: 1.0 },
            Shape::Circle { center: place(0.0, 0.0), meters: f64::NAN },
            Shape::Box { south: 1.0, west: 0.0, north: 0.0, east: 1.0 },
            Shape::Polygon { outer: vec![place(0.0, 0.0); 2], holes: Vec::new() },
        ];
        assert!(wrong.iter().all(|shape| shape.mistake().is_some()));
        assert!(Shape::Circle { center: place(90.0, 0.0), meters: 0.0 }.mistake().is_none());
    }

    fn some_place() -> impl Strategy<Value = Place> {
        let steps = |most: i32| (-most..=most).prop_map(f64::from);
        prop_oneof![
            (steps(90), steps(180)).prop_map(|(lat, lon)| Place { lat, lon }),
            (-90.0..90.0, -180.0..180.0).prop_map(|(lat, lon)| Place { lat, lon }),
        ]
    }

    fn some_shape() -> impl Strategy<Value = Shape> {
        let ring = || proptest::collection::vec(some_place(), 3..7);
        prop_oneof![
            (some_place(), 0.0..2e7).prop_map(|(center, meters)| Shape::Circle { center, meters }),
            (some_place(), some_place()).prop_map(|(one, other)| Shape::Box {
                south: one.lat.min(other.lat),
                west: one.lon,
                north: one.lat.max(other.lat),
                east: other.lon,
            }),
            (ring(), proptest::collection::vec(ring(), 0..2))
                .prop_map(|(outer, holes)| Shape::Polygon { outer, holes }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_place_of_a_shape_is_outside_its_bounds(shape in some_shape(), place in some_place()) {
            let bounds = shape.bounding();
            let lat = (bounds.south..=bounds.north).contains(&place.lat);
            let lon = bounds.lons.iter().any(|(west, east)| (*west..=*east).contains(&place.lon));
            prop_assert!(!shape.has(place) || lat && lon, "{shape:?} has {place:?}");
        }
    }
}
