//! What each memc_* function does with its arguments.

use super::behavior::{self, Behavior};
use super::call::{Arguments, Function, Value};
use super::client::{self, Buffers};
use super::distribution::parse_servers;
use super::error::ArgumentError;
use super::failure::Failure;
use super::wire::{Outcome, Request, Verb};

/// No constant is looked at.
pub fn any(_: &Arguments<'_>) -> Result<(), ArgumentError> {
    Ok(())
}

/// The server is chosen by the first argument: the key, or with `_by_key` a key for that purpose alone.
fn route<'a>(function: &Function, arguments: &Arguments<'a>) -> (&'a [u8], &'a [u8], usize) {
    let by_key = usize::from(function.name.ends_with("_by_key"));
    (arguments.bytes(0).unwrap_or_default(), arguments.bytes(by_key).unwrap_or_default(), by_key + 1)
}

fn store(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers, verb: Verb, exptime: usize) -> Value {
    let (route, key, next) = route(function, arguments);
    let value = arguments.bytes(next).unwrap_or_default();
    let exptime = arguments.integer(next + exptime).unwrap_or(0);
    flag(client::ask(function.name, route, &Request::Store { verb, key, value, exptime }, buffers))
}

/// 1 if it is so now, else 0.
fn flag(outcome: Option<Outcome>) -> Value {
    Value::Integer(i64::from(outcome == Some(Outcome::Done)))
}

/// memc_set and its like.
pub fn set(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    store(function, arguments, buffers, Verb::Set, 1)
}

/// memc_add.
pub fn add(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    store(function, arguments, buffers, Verb::Add, 1)
}

/// memc_replace.
pub fn replace(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    store(function, arguments, buffers, Verb::Replace, 1)
}

/// memc_append.
pub fn append(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    store(function, arguments, buffers, Verb::Append, 1)
}

/// memc_prepend.
pub fn prepend(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    store(function, arguments, buffers, Verb::Prepend, 1)
}

/// memc_cas.
pub fn cas(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    let (.., next) = route(function, arguments);
    let expected = arguments.integer(next + 1).unwrap_or(0).cast_unsigned();
    // In the binary protocol 0 would mean any.
    match expected {
        0 => Value::Integer(0),
        expected => store(function, arguments, buffers, Verb::Cas(expected), 2),
    }
}

/// memc_get.
pub fn get(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    let (route, key, _) = route(function, arguments);
    match client::ask(function.name, route, &Request::Get(key), buffers) {
        Some(Outcome::Value(_)) => Value::Bytes,
        _ => Value::Null,
    }
}

/// memc_get_cas.
pub fn get_cas(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    let (route, key, _) = route(function, arguments);
    match client::ask(function.name, route, &Request::Get(key), buffers) {
        Some(Outcome::Value(unique)) => Value::Integer(unique.cast_signed()),
        _ => Value::Null,
    }
}

/// memc_delete; the time that old servers waited before they deleted is taken and ignored, as memcached does.
pub fn delete(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    let (route, key, _) = route(function, arguments);
    flag(client::ask(function.name, route, &Request::Delete(key), buffers))
}

fn count(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers, down: bool) -> Value {
    let (route, key, next) = route(function, arguments);
    let by = arguments.integer(next).unwrap_or(1);
    let request = Request::Count { key, by: by.unsigned_abs(), down: down != (by < 0) };
    match client::ask(function.name, route, &request, buffers) {
        Some(Outcome::Number(number)) => Value::Integer(number.cast_signed()),
        _ => Value::Null,
    }
}

/// memc_increment.
pub fn increment(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    count(function, arguments, buffers, false)
}

/// memc_decrement.
pub fn decrement(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    count(function, arguments, buffers, true)
}

/// The list of servers is one: before the statement runs, if it is a constant.
pub fn check_servers(arguments: &Arguments<'_>) -> Result<(), ArgumentError> {
    arguments.text(0).map_or(Ok(()), |text| parse_servers(&text).map(|_| ()))
}

/// Something is wrong with arguments that are no constants.
fn refused(function: &Function, error: ArgumentError) -> Value {
    super::failure::tell(function.name, None, &Failure::Argument(error), true);
    Value::Null
}

/// memc_servers_set.
pub fn servers_set(function: &Function, arguments: &Arguments<'_>, _: &mut Buffers) -> Value {
    match parse_servers(&arguments.text(0).unwrap_or_default()) {
        Ok(names) => {
            client::set_servers(names);
            Value::Integer(0)
        }
        Err(error) => refused(function, error),
    }
}

/// memc_server_count.
pub fn server_count(_: &Function, _: &Arguments<'_>, _: &mut Buffers) -> Value {
    Value::Integer(client::server_count() as i64)
}

/// Behaviour and value fit: before the statement runs, as far as they are constants.
pub fn check_behavior(arguments: &Arguments<'_>) -> Result<(), ArgumentError> {
    let Some(name) = arguments.text(0) else { return Ok(()) };
    let behavior = Behavior::named(&name)?;
    arguments.text(1).map_or(Ok(()), |value| behavior::Behaviors::default().set(behavior, &value))
}

/// memc_servers_behavior_set.
pub fn behavior_set(function: &Function, arguments: &Arguments<'_>, _: &mut Buffers) -> Value {
    let (name, value) = (arguments.text(0).unwrap_or_default(), arguments.text(1).unwrap_or_default());
    match Behavior::named(&name).and_then(|behavior| client::set_behavior(behavior, &value)) {
        Ok(()) => Value::Integer(0),
        Err(error) => refused(function, error),
    }
}

/// memc_servers_behavior_get.
pub fn behavior_get(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    match Behavior::named(&arguments.text(0).unwrap_or_default()) {
        Ok(behavior) => text(buffers, &client::behavior(behavior)),
        Err(error) => refused(function, error),
    }
}

fn text(buffers: &mut Buffers, text: &str) -> Value {
    buffers.value.clear();
    buffers.value.extend_from_slice(text.as_bytes());
    Value::Bytes
}

/// memc_list_behaviors.
pub fn list_behaviors(_: &Function, _: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    text(buffers, &Behavior::list())
}

/// memc_list_hash_types.
pub fn list_hash_types(_: &Function, _: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    text(buffers, &behavior::list_hashes())
}

/// memc_list_distribution_types.
pub fn list_distribution_types(_: &Function, _: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    text(buffers, &behavior::list_distributions())
}

/// memc_udf_version.
pub fn udf_version(_: &Function, _: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    text(buffers, env!("CARGO_PKG_VERSION"))
}

/// memc_libmemcached_version: there is none in here, so that whose distribution and behaviours these are.
pub fn libmemcached_version(_: &Function, _: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    text(buffers, "1.1.4")
}

/// memc_stats.
pub fn stats(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    let names = match parse_servers(&arguments.text(0).unwrap_or_default()) {
        Ok(names) => names,
        Err(message) => return refused(function, message),
    };
    let found = client::statistics(function.name, names);
    if found.iter().all(|(_, statistics)| statistics.is_none()) {
        return Value::Null;
    }
    let count = found.len();
    let mut report = format!("Listing {count} Server{}\n\n", if count == 1 { "" } else { "s" });
    for (name, statistics) in found {
        report.push_str(&format!("Server: {} ({})\n", name.host, name.port));
        for (name, value) in statistics.iter().flat_map(|lines| lines.lines()).filter_map(|line| line.split_once(' ')) {
            report.push_str(&format!("\t {name}: {value}\n"));
        }
        report.push('\n');
    }
    text(buffers, &report)
}

/// memc_stat_get_keys: the names that the first server of the list has which answers.
pub fn stat_get_keys(function: &Function, _: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    for name in client::server_names() {
        if let [(_, Some(statistics))] = client::statistics(function.name, vec![name]).as_slice() {
            let names = statistics.lines().filter_map(|line| line.split_once(' '));
            return text(buffers, &names.map(|(name, _)| format!("{name}\n")).collect::<String>());
        }
    }
    Value::Null
}

/// memc_stat_get_value.
pub fn stat_get_value(function: &Function, arguments: &Arguments<'_>, buffers: &mut Buffers) -> Value {
    let wanted = arguments.text(1).unwrap_or_default();
    let names = match parse_servers(&arguments.text(0).unwrap_or_default()) {
        Ok(names) => names,
        Err(message) => return refused(function, message),
    };
    let found = client::statistics(function.name, names.into_iter().take(1).collect());
    let statistics = found.iter().filter_map(|(_, statistics)| statistics.as_deref()).flat_map(str::lines);
    match statistics.filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == wanted) {
        Some((_, value)) => text(buffers, value),
        None => Value::Null,
    }
}
