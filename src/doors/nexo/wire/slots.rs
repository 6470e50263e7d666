//! The fields of one structure while it is read: whatever order they come in, they leave in the
//! table's, counted.

use super::fault::{Reading, What};
use super::scalar::{self, Look};
use super::schema::{Field, Kind, Structure};
use super::tree::{Node, Tree};

/// The most values in a list of an enumeration.
const TOKENS_MAX: usize = 64;

pub(super) struct Slots {
    pub(super) shape: &'static Structure,
    nodes: Vec<Option<Node>>,
}

impl Slots {
    pub(super) fn of(shape: &'static Structure) -> Self {
        Self { shape, nodes: vec![None; shape.fields.len()] }
    }

    /// Reads a value into the field at this place.
    pub(super) fn scalar(&mut self, at: usize, text: &str, reading: &mut Reading) {
        let shape = self.shape;
        let Some(field) = shape.fields.get(at) else { return };
        let closed = reading.strict() && field.min > 0;
        let look = Look { closed, secret: field.secret };
        reading.within(field.name, |reading| match field.kind {
            Kind::Scalar(kind) => match scalar::read(kind, text, look) {
                Ok(Some(node)) => self.put(at, field, node, reading),
                Ok(None) => {}
                Err(scalar::Unexpected) => reading.complain(What::Unexpected),
            },
            Kind::Tokens(place) => {
                for token in text.split_ascii_whitespace() {
                    match scalar::value_of(place, token, look) {
                        Some(value) => self.put(at, field, value.into(), reading),
                        None => reading.complain(What::Unexpected),
                    }
                }
            }
            Kind::Structure(_) => reading.complain(What::Unexpected),
        });
    }

    /// Takes a structure for the field at this place.
    pub(super) fn structure(&mut self, at: usize, tree: Tree, reading: &mut Reading) {
        let shape = self.shape;
        let Some(field) = shape.fields.get(at) else { return };
        reading.within(field.name, |reading| {
            self.put(at, field, Node::Structure(tree), reading);
        });
    }

    /// The name of the field at this place.
    pub(super) fn name(&self, at: usize) -> &'static str {
        let shape = self.shape;
        shape.fields.get(at).map_or(shape.name, |field| field.name)
    }

    /// Forgets the field, because it has a second name.
    pub(super) fn clear(&mut self, at: usize) {
        if let Some(slot) = self.nodes.get_mut(at) {
            *slot = None;
        }
    }

    fn put(&mut self, at: usize, field: &Field, node: Node, reading: &mut Reading) {
        let Some(slot) = self.nodes.get_mut(at) else { return };
        let tokens = matches!(field.kind, Kind::Tokens(_));
        let max = if tokens { TOKENS_MAX } else { field.max };
        match slot {
            None if field.is_list() => *slot = Some(Node::List(vec![node])),
            None => *slot = Some(node),
            Some(Node::List(list)) if list.len() < max => list.push(node),
            Some(_) => reading.complain(What::Unexpected),
        }
    }

    /// The structure, with a complaint about what is missing or excludes each other.
    pub(super) fn finish(self, reading: &mut Reading) -> Tree {
        let fields = &self.shape.fields;
        for (field, node) in fields.iter().zip(&self.nodes) {
            let found = node.as_ref().map_or(0, |node| node.items().len());
            if found < field.min {
                reading.within(field.name, |reading| reading.complain(What::Missing));
            }
        }
        for (at, choice) in self.shape.choices.iter().enumerate() {
            let chosen = || fields.iter().zip(&self.nodes).filter(|it| it.0.choice == Some(at));
            let mut taken = chosen().filter(|(_, node)| node.is_some());
            match (taken.next(), taken.next()) {
                (None, _) if choice.required => {
                    if let Some((field, _)) = chosen().next() {
                        reading.within(field.name, |reading| reading.complain(What::Missing));
                    }
                }
                (Some(_), Some((field, _))) if !choice.repeated => {
                    reading.within(field.name, |reading| reading.complain(What::Unexpected));
                }
                _ => {}
            }
        }
        let mut tree = Tree::new();
        for (field, node) in fields.iter().zip(self.nodes) {
            if let Some(node) = node {
                tree.push(field.name, node);
            }
        }
        tree
    }
}
