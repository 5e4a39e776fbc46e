//! A world of its own for the contained processes: user, network, mount, process and IPC namespaces.
//!
//! They stop what Landlock and seccomp cannot: a connection to another host at the gateway's port, a change of mode or
//! owner, a write to `.git` in a directory that may be written, and processes that outlive the run.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sched::CloneFlags;
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change, mount_remount,
};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketType,
};
use rustix::thread::CapabilitySet;

/// Capabilities that the superuser's builds use, and that reach nothing outside: file owners and modes, and users.
const KEPT_BY_ROOT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID);

/// Enters the namespaces; only children of this process are in the new process namespace.
pub(super) fn enter(network: bool) -> Result<(), String> {
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    if network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    if privileged() {
        return nix::sched::unshare(flags).map_err(|e| format!("unshare: {e}"));
    }
    // Some distributions let programs make a user namespace and then refuse everything in it.
    let restricted = fs::read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    if restricted.is_ok_and(|text| text.starts_with(b"1")) {
        return Err("user namespaces are restricted by AppArmor".to_owned());
    }
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER | flags).map_err(|e| format!("unshare: {e}"))?;
    let write = |file: &str, text: String| {
        fs::write(Path::new("/proc/self").join(file), text).map_err(|e| format!("/proc/self/{file}: {e}"))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{user} {user} 1"))?;
    write("gid_map", format!("{group} {group} 1"))
}

/// Whether this process can make namespaces without a user namespace of its own.
fn privileged() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Lets the next program of this process keep the right to mount `/proc`, which it would lose for not being root.
pub(super) fn keep_mounting() -> Result<(), String> {
    let failed = |e: rustix::io::Errno| format!("capabilities: {e}");
    let mut sets = rustix::thread::capabilities(None).map_err(failed)?;
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::SETPCAP;
    sets.inheritable |= needed;
    rustix::thread::set_capabilities(None, sets).map_err(failed)?;
    for capability in [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP] {
        rustix::thread::configure_capability_in_ambient_set(capability, true).map_err(failed)?;
    }
    Ok(())
}

/// Gives up every capability but a superuser's ordinary ones, for good.
pub(super) fn drop_capabilities() -> Result<(), String> {
    let failed = |e: rustix::io::Errno| format!("capabilities: {e}");
    // Not there in a kernel without ambient capabilities; then there are none.
    let _ = rustix::thread::clear_ambient_capability_set();
    let sets = rustix::thread::capabilities(None).map_err(failed)?;
    if sets.effective.contains(CapabilitySet::SETPCAP) {
        for bit in (0..u64::BITS).map(|n| CapabilitySet::from_bits_retain(1 << n)) {
            // Numbers that this kernel does not have are refused.
            if !KEPT_BY_ROOT.contains(bit) && rustix::thread::capability_is_in_bounding_set(bit).unwrap_or(false) {
                rustix::thread::remove_capability_from_bounding_set(bit).map_err(failed)?;
            }
        }
    }
    let kept = if rustix::process::geteuid().is_root() { KEPT_BY_ROOT } else { CapabilitySet::empty() };
    let sets = rustix::thread::CapabilitySets {
        effective: sets.effective & kept,
        permitted: sets.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(failed)
}

/// Brings the loopback interface of a new network namespace up (RTM_NEWLINK, rtnetlink(7)).
pub(super) fn loopback_up() -> Result<(), String> {
    let failed = |e: rustix::io::Errno| format!("the loopback interface: {e}");
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).map_err(failed)?;
    let mut message = Vec::with_capacity(32);
    message.extend(32u32.to_ne_bytes()); // nlmsg_len
    message.extend(16u16.to_ne_bytes()); // RTM_NEWLINK
    message.extend(5u16.to_ne_bytes()); // NLM_F_REQUEST | NLM_F_ACK
    message.extend(1u32.to_ne_bytes()); // nlmsg_seq
    message.extend(0u32.to_ne_bytes()); // nlmsg_pid: the kernel
    message.extend([0; 4]); // ifi_family, padding, ifi_type
    message.extend(1i32.to_ne_bytes()); // ifi_index: the first interface of every namespace is lo
    message.extend(1u32.to_ne_bytes()); // ifi_flags: IFF_UP
    message.extend(1u32.to_ne_bytes()); // ifi_change: IFF_UP
    rustix::net::sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).map_err(failed)?;
    let mut answer = [0u8; 256];
    let (_, length) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty()).map_err(failed)?;
    // struct nlmsghdr, then the error of struct nlmsgerr.
    match answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) {
        Some([0, 0, 0, 0]) => Ok(()),
        Some(error) => Err(format!("the loopback interface: error {}", i32::from_ne_bytes(error))),
        None => Err("the loopback interface: no answer".to_owned()),
    }
}

/// Listens at `port` of this namespace and gives the socket to the gateway, which accepts from it where it is.
pub(super) fn hand_over(port: u16, to: &Path) -> Result<(), String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|e| format!("127.0.0.1:{port}: {e}"))?;
    let stream = UnixStream::connect(to).map_err(|e| format!("{}: {e}", to.display()))?;
    let sockets = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&sockets));
    rustix::net::sendmsg(&stream, &[IoSlice::new(b"l")], &mut control, SendFlags::empty())
        .map_err(|e| format!("handing the socket over: {e}"))?;
    Ok(())
}

/// The other end of [`hand_over`].
pub(super) fn receive(stream: &UnixStream) -> std::io::Result<Option<TcpListener>> {
    let mut byte = [0u8; 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let sockets = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    Ok(sockets.flatten().next().map(|socket: OwnedFd| TcpListener::from(socket)))
}

/// What the mounts of a new mount namespace do.
pub(super) struct Layout<'a> {
    /// Directories that are written. They stay as they are: another mount each would turn a hard link or a rename
    /// between them, which uv and pnpm rest on, into a copy.
    pub write: &'a [PathBuf],
    /// To be made read-only.
    pub kept: Vec<&'a PathBuf>,
    /// To be covered by something empty.
    pub hidden: Vec<&'a PathBuf>,
}

/// Makes what is kept read-only, also against changes of mode and owner, and covers what is hidden.
pub(super) fn arrange(layout: &Layout<'_>) -> Result<(), String> {
    let said = |path: &Path| {
        let text = format!("mount {}", path.display());
        move |e: rustix::io::Errno| format!("{text}: {e}")
    };
    let before = mounts()?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(said(Path::new("/")))?;
    let (hidden, kept) = (real(layout.hidden.iter().copied()), real(layout.kept.iter().copied()));
    // A directory that may be renamed would take what is fixed in it along, and leave its name free.
    let write = real(layout.write);
    let between = |path: &PathBuf| -> Vec<PathBuf> {
        let within = write.iter().find(|w| path.starts_with(w) && path != *w);
        let above = path.ancestors().skip(1).map(Path::to_owned);
        within.map_or_else(Vec::new, |w| above.take_while(|a| a != w).collect())
    };
    let mut fixed: Vec<PathBuf> = hidden.iter().chain(&kept).flat_map(between).collect();
    fixed.sort();
    fixed.dedup();
    for path in &fixed {
        mount_bind_recursive(path, path).map_err(said(path))?;
    }
    // Where nothing is written, Landlock hides and keeps already: a mount that cannot be made there is no reason to stop.
    let written = |path: &Path| write.iter().any(|w| path.starts_with(w));
    for path in kept.iter().filter(|path| !hidden.contains(path)) {
        if let Err(e) = read_only(path, &before)
            && written(path)
        {
            return Err(said(path)(e));
        }
    }
    let mut empty: Option<&PathBuf> = None;
    for path in &hidden {
        match cover(path, empty) {
            Err(e) if written(path) => return Err(said(path)(e)),
            Ok(true) => empty = empty.or(Some(path)),
            _ => {}
        }
    }
    // Memory that is shared with the user's other programs by name, unless the project itself lies there.
    let shared = Path::new("/dev/shm");
    if shared.is_dir() && !write.iter().any(|w| w.starts_with(shared)) {
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", shared, "tmpfs", flags, c"mode=1777").map_err(said(shared))?;
    }
    Ok(())
}

/// Makes a directory or file read-only where it is.
fn read_only(path: &Path, before: &[(PathBuf, MountFlags)]) -> rustix::io::Result<()> {
    mount_bind_recursive(path, path)?;
    // What the mount forbids already it has to go on forbidding.
    let flags = before.iter().rev().find(|(at, _)| path.starts_with(at)).map_or(MountFlags::empty(), |(_, f)| *f);
    mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | flags, c"")
}

/// Puts something empty over a directory or file; whether it can serve for the next directory.
fn cover(path: &Path, empty: Option<&PathBuf>) -> rustix::io::Result<bool> {
    if !path.is_dir() {
        return mount_bind("/dev/null", path).map(|()| false);
    }
    if let Some(empty) = empty {
        return mount_bind(empty, path).map(|()| false);
    }
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", path, "tmpfs", flags, c"mode=0755,size=4k").map(|()| true)
}

/// In the new process namespace: a `/proc` that shows it. Where the container's own is masked the kernel refuses, and
/// the old one stays: Landlock keeps other processes' memory and environment from being read through it.
pub(super) fn fresh_proc() {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let _ = mount("proc", "/proc", "proc", flags, None);
}

/// [`super::real`], outer ones first; what lies in another needs nothing of its own.
fn real<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = super::real(paths).collect();
    out.sort();
    out.dedup_by(|inner, outer| inner.starts_with(&*outer));
    out
}

/// The mounts and their flags, in their order (proc_pid_mountinfo(5)).
fn mounts() -> Result<Vec<(PathBuf, MountFlags)>, String> {
    let text = fs::read("/proc/self/mountinfo").map_err(|e| format!("/proc/self/mountinfo: {e}"))?;
    Ok(text.split(|b| *b == b'\n').filter_map(mount_of).collect())
}

fn mount_of(line: &[u8]) -> Option<(PathBuf, MountFlags)> {
    let mut fields = line.split(|b| *b == b' ');
    let path = unescape(fields.nth(4)?);
    let flags = fields.next()?.split(|b| *b == b',').fold(MountFlags::empty(), |flags, word| {
        flags
            | match word {
                b"ro" => MountFlags::RDONLY,
                b"nosuid" => MountFlags::NOSUID,
                b"nodev" => MountFlags::NODEV,
                b"noexec" => MountFlags::NOEXEC,
                b"noatime" => MountFlags::NOATIME,
                b"nodiratime" => MountFlags::NODIRATIME,
                b"relatime" => MountFlags::RELATIME,
                _ => MountFlags::empty(),
            }
    });
    Some((PathBuf::from(std::ffi::OsString::from_vec(path)), flags))
}

/// `\040` and its like.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| after.get(..3)).flatten();
        let octal = octal.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        out.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read_with_its_escapes() {
        let line = br"36 35 98:0 /mnt1 /mnt\040two\134x rw,nosuid,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let expected = (PathBuf::from("/mnt two\\x"), MountFlags::NOSUID | MountFlags::NOATIME);
        assert_eq!(mount_of(line), Some(expected));
        assert_eq!(mount_of(b""), None);
        assert_eq!(unescape(br"a\9\04"), br"a\9\04");
    }
}
