//! What every message takes up once it is unpacked, for `src/weighed.rs` to weigh a message by before it is.
//!
//! A shape for each message, and the shape of what each call takes. The sizes are left to the compiler of the types.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use std::collections::{BTreeMap, BTreeSet};

/// The messages of one package, by full name.
pub struct Messages<'d> {
    /// As the `.proto` files have it.
    package: &'d str,
    /// Where its Rust types are.
    module: &'d str,
    by_name: BTreeMap<String, &'d DescriptorProto>,
}

impl<'d> Messages<'d> {
    /// Those of a package whose types are in a module.
    pub fn of(descriptors: &'d FileDescriptorSet, package: &'d str, module: &'d str) -> Self {
        let mut messages = Self { package, module, by_name: BTreeMap::new() };
        for file in descriptors.file.iter().filter(|file| file.package() == package) {
            messages.add(&format!(".{package}"), &file.message_type);
        }
        messages
    }

    fn add(&mut self, above: &str, messages: &'d [DescriptorProto]) {
        for message in messages {
            let name = format!("{above}.{}", message.name());
            self.add(&name, &message.nested_type);
            self.by_name.insert(name, message);
        }
    }

    /// The source of the shapes of all that calls take, and of which call takes which.
    pub fn source(&self, descriptors: &FileDescriptorSet) -> String {
        let files = descriptors.file.iter().filter(|file| file.package() == self.package);
        let calls: Vec<_> = files.flat_map(|file| &file.service).flat_map(|service| &service.method).collect();
        let asked: BTreeSet<&str> = calls.iter().map(|call| call.input_type()).collect();
        let told: BTreeSet<&str> = calls.iter().map(|call| call.output_type()).collect();
        let mut weighed = BTreeSet::new();
        asked.iter().for_each(|name| self.within(name, &mut weighed));
        let mut source: String = weighed.iter().map(|name| self.shape(name)).collect();
        for name in asked.union(&told) {
            let shape = if asked.contains(name) { format!("Some(&{})", constant(name)) } else { "None".to_owned() };
            let kind = self.rust(name);
            source += &format!("impl Weighed for {kind} {{ fn shape() -> Option<&'static Shape> {{ {shape} }} }}\n");
        }
        source
    }

    /// Adds a message and all that may stand in it.
    fn within(&self, name: &str, found: &mut BTreeSet<String>) {
        let Some(message) = self.by_name.get(name) else { return };
        if found.insert(name.to_owned()) {
            let inner = message.field.iter().filter(|field| field.r#type() == Type::Message);
            inner.for_each(|field| self.within(field.type_name(), found));
        }
    }

    /// Whether a message of the one kind may hold one of the other: its field is boxed then.
    fn leads(&self, from: &str, to: &str) -> bool {
        let mut found = BTreeSet::new();
        self.within(from, &mut found);
        found.contains(to)
    }

    fn shape(&self, name: &str) -> String {
        let mut fields: Vec<_> = self.by_name[name]
            .field
            .iter()
            .filter_map(|field| Some((field.number(), self.part(name, field)?)))
            .collect();
        fields.sort_by_key(|(number, _)| *number);
        let fields: String = fields.iter().map(|(number, part)| format!("({number}, {part}), ")).collect();
        format!("static {}: Shape = Shape {{ fields: &[{fields}] }};\n", constant(name))
    }

    /// What one more of a field takes up, where that is more than its bytes.
    fn part(&self, message: &str, field: &FieldDescriptorProto) -> Option<String> {
        let repeated = field.label() == Label::Repeated;
        match field.r#type() {
            Type::Message if self.by_name.contains_key(field.type_name()) => {
                let inner = field.type_name();
                // What is neither repeated nor boxed is a part of what it stands in, and counted with it.
                let bytes = match repeated || self.leads(inner, message) {
                    true => self.size(inner),
                    false => "0".to_owned(),
                };
                Some(format!("Part::Message {{ shape: &{}, bytes: {bytes} }}", constant(inner)))
            }
            Type::String | Type::Bytes if repeated => Some("Part::Texts".to_owned()),
            Type::Bool if repeated => Some("Part::Varints(1)".to_owned()),
            Type::Int64 | Type::Uint64 | Type::Sint64 if repeated => Some("Part::Varints(8)".to_owned()),
            Type::Int32 | Type::Uint32 | Type::Sint32 | Type::Enum if repeated => Some("Part::Varints(4)".to_owned()),
            _ => None,
        }
    }

    fn size(&self, name: &str) -> String {
        let message = self.by_name[name];
        if !message.options.as_ref().is_some_and(|options| options.map_entry()) {
            return format!("size_of::<{}>()", self.rust(name));
        }
        // An entry of a map: the key, the value, and what the map needs to find it.
        let sides: Vec<String> = message
            .field
            .iter()
            .map(|side| match side.r#type() {
                Type::Message => self.rust(side.type_name()),
                Type::String => "String".to_owned(),
                _ => "u64".to_owned(),
            })
            .collect();
        format!("size_of::<({})>() + size_of::<usize>()", sides.join(", "))
    }

    fn rust(&self, name: &str) -> String {
        let inside = name.trim_start_matches(&format!(".{}.", self.package)[..]);
        match inside.rsplit_once('.') {
            Some((outer, inner)) => format!("{}::{}::{inner}", self.module, snake(outer)),
            None => format!("{}::{inside}", self.module),
        }
    }
}

fn constant(name: &str) -> String {
    name.trim_start_matches('.').replace('.', "_").to_uppercase()
}

fn snake(name: &str) -> String {
    let mut spelled = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_lowercase());
    }
    spelled
}
