//! Machines of a test: a client's network namespace with a bridge, and sites behind it, each with a disk of its own.

use crate::common::HostConfig;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a command that must succeed; what it printed.
pub fn run(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap_or_else(|e| panic!("{words:?}: {e}"));
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A network namespace, gone when this is dropped.
pub struct Namespace {
    name: String,
}

impl Namespace {
    fn new(name: String) -> Namespace {
        run(&["ip", "netns", "add", &name]);
        let namespace = Namespace { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ip` inside it.
    fn ip(&self, words: &[&str]) {
        run(&[&["ip", "-n", &self.name], words].concat());
    }

    /// Moves the calling thread into it, for good.
    pub fn enter(&self) {
        let file = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        // SAFETY: setns() takes a descriptor that is open and changes this thread only.
        let entered = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(entered, 0, "setns: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// The clients' side of the network.
pub struct Network {
    pub clients: Namespace,
    prefix: String,
}

impl Network {
    /// Namespaces are named after `what` and this process, so that runs beside each other do not meet.
    pub fn new(what: &str) -> Network {
        let prefix = format!("dm{}{what}", std::process::id());
        let clients = Namespace::new(format!("{prefix}-clients"));
        clients.ip(&["link", "add", "br0", "type", "bridge"]);
        clients.ip(&["link", "set", "br0", "up"]);
        clients.ip(&["addr", "add", "10.77.0.1/24", "dev", "br0"]);
        Network { clients, prefix }
    }

    /// A machine with a cable to the bridge and a formatted disk.
    pub fn site(&self, name: &str, config: HostConfig) -> Site {
        let namespace = Namespace::new(format!("{}-{name}", self.prefix));
        let port = format!("to-{name}");
        self.clients.ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", namespace.name()]);
        self.clients.ip(&["link", "set", &port, "master", "br0", "up"]);
        namespace.ip(&["link", "set", "eth0", "up"]);
        std::fs::create_dir(config.datadir()).unwrap();
        let image = config.scratch().join("disk.img");
        File::create(&image).unwrap().set_len(256 << 20).unwrap();
        run(&["mkfs.ext4", "-q", "-F", image.to_str().unwrap()]);
        let under = ["ip", "netns", "exec", namespace.name()];
        Site { config: config.under(&under), namespace, image, mounted: false }
    }
}

/// A machine that may be the active one.
pub struct Site {
    pub config: HostConfig,
    namespace: Namespace,
    image: PathBuf,
    mounted: bool,
}

impl Site {
    /// The file system comes up as after a crash.
    pub fn mount(&mut self) {
        run(&["mount", "-o", "loop", self.image.to_str().unwrap(), self.config.datadir().to_str().unwrap()]);
        self.mounted = true;
    }

    pub fn unmount(&mut self) {
        run(&["umount", self.config.datadir().to_str().unwrap()]);
        self.mounted = false;
    }

    /// From now on nothing reaches the disk, as if its cable were pulled.
    pub fn cut_the_disk(&self) {
        // EXT4_IOC_SHUTDOWN, _IOR('X', 125, u32), and its flag for "do not write the journal out".
        const SHUTDOWN: libc::c_ulong = 0x8004_587d;
        const NO_LOG_FLUSH: u32 = 2;
        let root = File::open(self.config.datadir()).unwrap();
        // SAFETY: the request reads a u32.
        let cut = unsafe { libc::ioctl(root.as_raw_fd(), SHUTDOWN, &NO_LOG_FLUSH) };
        assert_eq!(cut, 0, "cannot shut the file system down: {}", std::io::Error::last_os_error());
    }

    /// What a peer has of this disk that mirrors it block by block: all that was written to it, nothing that only memory holds.
    pub fn mirror_to(&self, peer: &Site) {
        run(&["cp", "--sparse=always", self.image.to_str().unwrap(), peer.image.to_str().unwrap()]);
    }

    /// The floating address comes here; the neighbours are told.
    pub fn take_address(&self, address: &str) {
        self.namespace.ip(&["addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        run(&["ip", "netns", "exec", self.namespace.name(), "arping", "-q", "-U", "-c", "1", "-I", "eth0", address]);
    }

    pub fn drop_address(&self, address: &str) {
        self.namespace.ip(&["addr", "del", &format!("{address}/24"), "dev", "eth0"]);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(self.config.datadir()).status();
        }
    }
}
