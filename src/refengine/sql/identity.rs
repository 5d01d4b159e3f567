//! Who a session belongs to.

/// A session's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The number of the connection, 0 for a session of the program itself.
    pub id: u32,
    /// The name given at the login.
    pub user: String,
    /// Where the connection comes from: an address, or `localhost` for a socket.
    pub host: String,
    /// The account that was logged in to: user and host pattern.
    pub account: (String, String),
}

/// The account that every engine has and that may do everything.
pub const ROOT: (&str, &str) = ("root", "localhost");

impl Identity {
    /// The program itself.
    pub fn internal() -> Identity {
        Identity {
            id: 0,
            user: ROOT.0.to_owned(),
            host: ROOT.1.to_owned(),
            account: (ROOT.0.to_owned(), ROOT.1.to_owned()),
        }
    }

    /// Whether nothing is forbidden.
    pub fn is_root(&self) -> bool {
        (self.account.0.as_str(), self.account.1.as_str()) == ROOT
    }

    /// What USER() says.
    pub fn client(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }

    /// What CURRENT_USER() says.
    pub fn account_name(&self) -> String {
        format!("{}@{}", self.account.0, self.account.1)
    }
}
