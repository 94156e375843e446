//! The values a key can hold: plain single-threaded structures with compact encodings, one file each.
//!
//! This room owns the bytes of a value and the meaning of its operations. It knows nothing of keys, TTLs,
//! RESP, shards or clocks: `command` handlers and the typed in-process API call the same bodies here.
//!
//! Small values live *packed* in the slot of their key, behind [`listpack::Buffer`], which hides where the
//! bytes are; large ones own a structure on the heap. **Invariant:** nothing in here holds a position in a
//! buffer across a change of it other than as an index.

pub mod bits;
pub mod dict;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod lcs;
pub mod list;
pub mod listpack;
pub mod long_double;
pub mod set;
pub mod stream;
pub mod string;
pub mod table;
pub mod zset;
