//! Patterns of `BY` and `GET`: an element's text makes a key of them, whose string or hash field is looked up.

use crate::engine::Entered;
use bytes::Bytes;

use super::weight::c_string;

/// `weight_*`, `object_*->field`, `#` for the element itself, or a text without `*`, which names nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern<'a> {
    text: &'a [u8],
    /// Where the first `*` stands.
    star: Option<usize>,
    /// Behind a `->`.
    field: Option<&'a [u8]>,
}

impl<'a> Pattern<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        // Redis looks for its signs as in a C string.
        let visible = c_string(text);
        let star = memchr::memchr(b'*', visible);
        let arrow = star.and_then(|star| {
            let behind = visible.get(star + 1..)?;
            let arrow = star + 1 + memchr::memmem::find(behind, b"->")?;
            (visible.len() > arrow + 2).then_some(arrow)
        });
        match arrow {
            Some(arrow) => Self { text: &text[..arrow], star, field: text.get(arrow + 2..) },
            None => Self { text, star, field: None },
        }
    }

    /// Whether no element changes what it names.
    pub(super) fn is_constant(self) -> bool {
        self.star.is_none()
    }

    /// What the pattern means for an element: `None` where there is no such key or field, or it is of another type.
    pub(super) fn look_up(self, entered: &mut Entered<'_>, element: &[u8]) -> Option<Bytes> {
        if self.text == b"#" {
            return Some(Bytes::copy_from_slice(element));
        }
        let (before, behind) = self.text.split_at_checked(self.star?)?;
        let name = [before, element, behind.get(1..).unwrap_or_default()].concat();
        let (mut keys, key) = entered.at(&name);
        match self.field {
            None => keys.string(key).ok()?.map(|string| string.to_bytes()),
            Some(field) => keys.hash(key).ok()??.get(field).map(|value| value.to_shared()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_key_and_perhaps_a_field() {
        let parts = |text: &'static [u8]| {
            let pattern = Pattern::new(text);
            (pattern.text, pattern.star, pattern.field)
        };
        assert_eq!(parts(b"w_*"), (&b"w_*"[..], Some(2), None));
        assert_eq!(parts(b"w_*->f"), (&b"w_*"[..], Some(2), Some(&b"f"[..])));
        assert_eq!(parts(b"w_*_x->f->g"), (&b"w_*_x"[..], Some(2), Some(&b"f->g"[..])));
        assert_eq!(parts(b"*->"), (&b"*->"[..], Some(0), None));
        assert_eq!(parts(b"a->*"), (&b"a->*"[..], Some(3), None));
        assert_eq!(parts(b"nosort"), (&b"nosort"[..], None, None));
        assert_eq!(parts(b"a\0*"), (&b"a\0*"[..], None, None));
        assert_eq!(parts(b"*\0->f"), (&b"*\0->f"[..], Some(0), None));
    }
}
