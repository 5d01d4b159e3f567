//! Who is it: greeting, answer, password.
//!
//! The greeting offers `mysql_native_password`, which all clients before MySQL 9's know; those answer with the name of
//! `caching_sha2_password` and are asked anew. `methods` checks what they send.
//!
//! `root` has no password at first. It may come in then through the UNIX socket only, from a process of root or of the
//! user that the server runs as.

use std::io;

use super::channel::{Channel, ReadError, status_bits};
use super::methods::Method;
use super::protocol::{CHARSET_UTF8MB4, Reader, capability};
use super::tls::Certificates;
use crate::refengine::Engine;
use crate::refengine::codes::{self, Code};
use crate::refengine::sql::{Identity, NATIVE, Password, ROOT, SqlError, Status, VERSION, find_account};

/// The answer to the greeting is names and a token.
const MAX_ANSWER: usize = 64 << 10;
/// What a client that asks for TLS sends before it.
const TLS_REQUEST: usize = 32;
/// The answer that `caching_sha2_password` gives to a token that is right, and to one that it cannot check.
const PROVED: [u8; 2] = [1, 3];
const SAY_IT: [u8; 2] = [1, 4];

/// Where a connection comes from.
pub struct Origin {
    /// What the account's host is compared with, the best name first.
    pub names: Vec<String>,
    /// Address and port, or `localhost`.
    pub place: String,
    /// The user id of the process at the other end, on a UNIX socket.
    pub uid: Option<u32>,
}

/// A client that may work.
pub struct Login {
    pub identity: Identity,
    pub database: Option<String>,
    pub capabilities: u32,
}

/// What the client said.
struct Answer {
    capabilities: u32,
    user: String,
    token: Vec<u8>,
    database: Option<String>,
    method: Option<String>,
}

/// Greets and checks. An error that is [`ReadError::Refused`] is for the client.
pub fn login(
    channel: &mut Channel,
    engine: &Engine,
    certificates: Option<&Certificates>,
    id: u32,
    origin: &Origin,
) -> Result<Login, ReadError> {
    let salt = salt()?;
    let tls = if certificates.is_some() { capability::SSL } else { 0 };
    channel.begin();
    channel.write(&greeting(id, &salt, capability::OURS | tls))?;
    channel.flush()?;
    let mut packet = channel.read(MAX_ANSWER)?;
    if let Some(certificates) = certificates
        && packet.len() == TLS_REQUEST
        && Reader(&packet).u32().is_some_and(|said| said & capability::SSL != 0)
    {
        channel.encrypt(certificates.session()?);
        packet = channel.read(MAX_ANSWER)?;
    }
    let mut answer = parse(&packet).ok_or_else(bad_handshake)?;
    let method = match answer.method.as_deref() {
        None | Some(NATIVE) => Method::Native,
        Some(other) => {
            let method = Method::named(other).unwrap_or(Method::Native);
            answer.token = switch_method(channel, method, &salt)?;
            method
        }
    };
    prove(channel, engine, id, origin, answer, method, &salt)
}

/// Another user on the same connection: everything but the greeting, with a new salt.
pub fn change_user(
    channel: &mut Channel,
    engine: &Engine,
    id: u32,
    origin: &Origin,
    capabilities: u32,
    packet: &[u8],
) -> Result<Login, ReadError> {
    let salt = salt()?;
    let mut answer = parse_change(packet, capabilities).ok_or_else(bad_handshake)?;
    let method = answer.method.as_deref().and_then(Method::named).unwrap_or(Method::Native);
    answer.token = switch_method(channel, method, &salt)?;
    prove(channel, engine, id, origin, answer, method, &salt)
}

/// The login of a client whose token proves that it is who it says.
fn prove(
    channel: &mut Channel,
    engine: &Engine,
    id: u32,
    origin: &Origin,
    answer: Answer,
    method: Method,
    salt: &[u8; 20],
) -> Result<Login, ReadError> {
    let host = origin.names.first().map_or("", String::as_str);
    let has_token = !method.is_empty(&answer.token);
    let denied = || {
        let using = if has_token { "YES" } else { "NO" };
        let text = format!("Access denied for user '{}'@'{host}' (using password: {using})", answer.user);
        refused(codes::ER_ACCESS_DENIED_ERROR, text)
    };
    let names: Vec<&str> = origin.names.iter().map(String::as_str).collect();
    let found = find_account(engine, &answer.user, &names).map_err(ReadError::Refused)?;
    let account = found.ok_or_else(denied)?;
    let fits = match &account.password {
        None => !has_token && (account.user.as_str() != ROOT.0 || may_be_root(origin)),
        Some(_) if !has_token => false,
        Some(password) => match method.proves(&answer.token, salt, password) {
            Some(fits) => {
                if fits && method == Method::Sha2 {
                    channel.write(&PROVED)?;
                }
                fits
            }
            None => says(channel, password)?,
        },
    };
    if !fits {
        return Err(denied());
    }
    let account = (account.user, account.host);
    let identity = Identity { id, user: answer.user, host: host.to_owned(), account };
    Ok(Login { identity, database: answer.database, capabilities: answer.capabilities })
}

/// Of an old account only one hash is kept: the client is asked for the password itself, where nobody reads along.
fn says(channel: &mut Channel, password: &Password) -> Result<bool, ReadError> {
    if !channel.is_private() {
        let text = "Of this account's password there is no hash for caching_sha2_password yet: log in through the UNIX socket or \
                    with TLS, or set the password again with ALTER USER";
        return Err(refused(codes::ER_ACCESS_DENIED_ERROR, text.to_owned()));
    }
    channel.write(&SAY_IT)?;
    channel.flush()?;
    let said = channel.read(MAX_ANSWER)?;
    Ok(Reader(&said).until_nul().is_some_and(|text| password.is(text)))
}

fn bad_handshake() -> ReadError {
    refused(codes::ER_HANDSHAKE_ERROR, "Bad handshake".to_owned())
}

fn refused(code: Code, text: String) -> ReadError {
    ReadError::Refused(SqlError::new(code, text))
}

fn may_be_root(origin: &Origin) -> bool {
    // SAFETY: takes no arguments and cannot fail.
    let own = unsafe { libc::geteuid() };
    origin.uid.is_some_and(|uid| uid == 0 || uid == own)
}

/// 20 random bytes; clients read them as text, so none is NUL.
fn salt() -> io::Result<[u8; 20]> {
    let mut salt = [0u8; 20];
    // SAFETY: the buffer has as many bytes as are asked for.
    let got = unsafe { libc::getrandom(salt.as_mut_ptr().cast(), salt.len(), 0) };
    if usize::try_from(got) != Ok(salt.len()) {
        return Err(io::Error::last_os_error());
    }
    salt.iter_mut().for_each(|byte| *byte = *byte % 127 + 1);
    Ok(salt)
}

fn greeting(id: u32, salt: &[u8; 20], capabilities: u32) -> Vec<u8> {
    let (first, second) = salt.split_at(8);
    let [low, lower, high, higher] = capabilities.to_le_bytes();
    let status = status_bits(Status { in_transaction: false, autocommit: true });
    let mut packet = vec![10];
    packet.extend_from_slice(VERSION.as_bytes());
    packet.push(0);
    packet.extend(id.to_le_bytes());
    packet.extend_from_slice(first);
    packet.extend([0, low, lower, CHARSET_UTF8MB4 as u8]);
    packet.extend(status.to_le_bytes());
    packet.extend([high, higher, 21]);
    packet.extend([0; 10]);
    packet.extend_from_slice(second);
    packet.push(0);
    packet.extend_from_slice(NATIVE.as_bytes());
    packet.push(0);
    packet
}

fn parse(packet: &[u8]) -> Option<Answer> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut reader = Reader(packet);
    let said = reader.u32()?;
    if said & capability::PROTOCOL_41 == 0 {
        return None;
    }
    // The client's largest packet, its character set, and room for later.
    reader.take(4 + 1 + 23)?;
    let capabilities = said & capability::OURS;
    let has = |bit| capabilities & bit != 0;
    let user = text(reader.until_nul()?);
    let token = if has(capability::AUTH_LENENC) {
        reader.bytes()?.to_vec()
    } else if has(capability::SECURE_CONNECTION) {
        let length = reader.u8()?;
        reader.take(usize::from(length))?.to_vec()
    } else {
        reader.until_nul()?.to_vec()
    };
    let database = if has(capability::CONNECT_WITH_DB) { Some(text(reader.until_nul()?)) } else { None };
    let database = database.filter(|name| !name.is_empty());
    // Some clients leave out the NUL behind the last string.
    let method = has(capability::PLUGIN_AUTH).then(|| text(reader.until_nul().unwrap_or(reader.0)));
    Some(Answer { capabilities, user, token, database, method: method.filter(|name| !name.is_empty()) })
}

/// What COM_CHANGE_USER says.
fn parse_change(packet: &[u8], capabilities: u32) -> Option<Answer> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut reader = Reader(packet);
    let user = text(reader.until_nul()?);
    let length = reader.u8()?;
    let token = reader.take(usize::from(length))?.to_vec();
    let database = Some(text(reader.until_nul()?)).filter(|name| !name.is_empty());
    // The character set; an old client ends here.
    let method = reader.u16().and_then(|_| reader.until_nul()).map(text);
    Some(Answer { capabilities, user, token, database, method })
}

/// Asks for a token of this method.
fn switch_method(channel: &mut Channel, method: Method, salt: &[u8; 20]) -> Result<Vec<u8>, ReadError> {
    let mut packet = vec![0xfe];
    packet.extend_from_slice(method.name().as_bytes());
    packet.push(0);
    packet.extend_from_slice(salt);
    packet.push(0);
    channel.write(&packet)?;
    channel.flush()?;
    channel.read(MAX_ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_answer_is_no_answer() {
        let capabilities = capability::PROTOCOL_41
            | capability::SECURE_CONNECTION
            | capability::CONNECT_WITH_DB
            | capability::PLUGIN_AUTH;
        let mut packet = capabilities.to_le_bytes().to_vec();
        packet.resize(32, 0);
        packet.extend_from_slice(b"shop\0\x03abcstore\0mysql_native_password\0");
        let answer = parse(&packet).unwrap();
        assert_eq!((answer.user.as_str(), answer.token.as_slice()), ("shop", &b"abc"[..]));
        assert_eq!((answer.database.as_deref(), answer.method.as_deref()), (Some("store"), Some(NATIVE)));
        for length in 0..packet.len() - NATIVE.len() - 1 {
            assert!(parse(&packet[..length]).is_none(), "{length}");
        }
    }
}
