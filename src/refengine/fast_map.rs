//! The hash map of the engine's inner parts.

use hashbrown::DefaultHashBuilder;
use std::collections::HashMap;

/// Its hash is quick and keyed at random.
pub(crate) type FastMap<K, V> = HashMap<K, V, DefaultHashBuilder>;
