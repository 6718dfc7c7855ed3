//! Places of connections: how many there are, and that nobody takes all of them.
//!
//! One address (of IPv6 a network of 64 bits, which is what one customer has) takes at most seven eighths: whoever opens as
//! many connections as they can leaves an eighth to the others.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The places of a port.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    of: IpAddr,
}

impl Places {
    /// So many.
    pub(super) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self { all, of_one: all - all / 8, taken: Mutex::default() })
    }

    /// One for this address, where there is one.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let of = network(address);
        let mut taken = self.taken.lock();
        let mine = taken.by.get(&of).copied().unwrap_or(0);
        if taken.all == self.all || mine == self.of_one {
            return None;
        }
        taken.all += 1;
        taken.by.insert(of, mine + 1);
        Some(Place { places: self.clone(), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Some(mine) = taken.by.get_mut(&self.of) {
            *mine -= 1;
            if *mine == 0 {
                taken.by.remove(&self.of);
            }
        }
    }
}

/// Who is taken for one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leaves_some_to_others_and_places_come_back() {
        let (places, one, other): (_, IpAddr, IpAddr) = (Places::new(16), [127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let mut held: Vec<Place> = std::iter::from_fn(|| places.take(one)).collect();
        assert_eq!(held.len(), 14);
        let others: Vec<Place> = std::iter::from_fn(|| places.take(other)).collect();
        assert_eq!(others.len(), 2);
        held.pop();
        assert!(places.take(one).is_some());
        drop((held, others));
        assert!(places.taken.lock().by.is_empty());
        assert_eq!(places.taken.lock().all, 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let [a, b, c] = ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        assert_eq!(network(a), network(b));
        assert_ne!(network(a), network(c));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), IpAddr::from([10, 0, 0, 1]));
    }
}
