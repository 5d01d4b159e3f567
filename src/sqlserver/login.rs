//! Who is it: greeting, answer, password.
//!
//! The password never travels. The server keeps SHA1(SHA1(password)) and sends 20 random bytes; the client answers
//! SHA1(password) XOR SHA1(random, SHA1(SHA1(password))), from which the server computes SHA1(password) and hashes it once more.
//!
//! `root` has no password at first. It may come in then through the UNIX socket only, from a process of root or of the
//! user that the server runs as.

use std::io;

use sha1_smol::Sha1;

use super::channel::{Channel, ReadError, status_bits};
use super::protocol::{CHARSET_UTF8MB4, NATIVE_PASSWORD, Reader, capability};
use crate::refengine::Engine;
use crate::refengine::codes::{self, Code};
use crate::refengine::sql::{Identity, ROOT, SqlError, Status, VERSION, find_account};

/// The answer to the greeting is names and 20 bytes.
const MAX_ANSWER: usize = 64 << 10;

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
pub fn login(channel: &mut Channel, engine: &Engine, id: u32, origin: &Origin) -> Result<Login, ReadError> {
    let salt = salt()?;
    channel.begin();
    channel.write(&greeting(id, &salt))?;
    channel.flush()?;
    let packet = channel.read(MAX_ANSWER)?;
    let mut answer = parse(&packet).ok_or_else(|| refused(codes::ER_HANDSHAKE_ERROR, "Bad handshake".to_owned()))?;
    if answer.method.as_deref().is_some_and(|method| method != NATIVE_PASSWORD) {
        answer.token = switch_method(channel, &salt)?;
    }
    let host = origin.names.first().map_or("", String::as_str);
    let denied = || {
        let using = if answer.token.is_empty() { "NO" } else { "YES" };
        let text = format!("Access denied for user '{}'@'{host}' (using password: {using})", answer.user);
        refused(codes::ER_ACCESS_DENIED_ERROR, text)
    };
    let names: Vec<&str> = origin.names.iter().map(String::as_str).collect();
    let found = find_account(engine, &answer.user, &names).map_err(ReadError::Refused)?;
    let account = match found {
        Some(account) => {
            let fits = match &account.hash {
                None => answer.token.is_empty() && (account.user.as_str() != ROOT.0 || may_be_root(origin)),
                Some(hash) => proves(&answer.token, &salt, hash),
            };
            if !fits {
                return Err(denied());
            }
            (account.user, account.host)
        }
        None => return Err(denied()),
    };
    let identity = Identity { id, user: answer.user, host: host.to_owned(), account };
    Ok(Login { identity, database: answer.database, capabilities: answer.capabilities })
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

fn greeting(id: u32, salt: &[u8; 20]) -> Vec<u8> {
    let (first, second) = salt.split_at(8);
    let [low, lower, high, higher] = capability::OURS.to_le_bytes();
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
    packet.extend_from_slice(NATIVE_PASSWORD.as_bytes());
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

/// Asks for a token of the only method there is.
fn switch_method(channel: &mut Channel, salt: &[u8; 20]) -> Result<Vec<u8>, ReadError> {
    let mut packet = vec![0xfe];
    packet.extend_from_slice(NATIVE_PASSWORD.as_bytes());
    packet.push(0);
    packet.extend_from_slice(salt);
    packet.push(0);
    channel.write(&packet)?;
    channel.flush()?;
    channel.read(MAX_ANSWER)
}

/// Whether the token could only be made from the password with this hash.
fn proves(token: &[u8], salt: &[u8; 20], hash: &[u8; 20]) -> bool {
    let mut mask = Sha1::new();
    mask.update(salt);
    mask.update(hash);
    let mask = mask.digest().bytes();
    if token.len() != mask.len() {
        return false;
    }
    let once: Vec<u8> = token.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    Sha1::from(&once).digest().bytes() == *hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_proves_itself() {
        let once = Sha1::from(b"secret").digest().bytes();
        let hash = Sha1::from(once).digest().bytes();
        let salt = salt().unwrap();
        assert!(salt.iter().all(|byte| (1..=127).contains(byte)));
        let mut mask = Sha1::new();
        mask.update(&salt);
        mask.update(&hash);
        let token: Vec<u8> = mask.digest().bytes().iter().zip(once).map(|(a, b)| a ^ b).collect();
        assert!(proves(&token, &salt, &hash));
        let mut wrong = token.clone();
        wrong[7] ^= 1;
        assert!(!proves(&wrong, &salt, &hash));
        assert!(!proves(&token[..19], &salt, &hash) && !proves(b"", &salt, &hash));
    }

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
        assert_eq!((answer.database.as_deref(), answer.method.as_deref()), (Some("store"), Some(NATIVE_PASSWORD)));
        for length in 0..packet.len() - NATIVE_PASSWORD.len() - 1 {
            assert!(parse(&packet[..length]).is_none(), "{length}");
        }
    }
}
