/**
 * Linux's numbers for sockets: options, flags, error codes, and where fields lie in its
 * structures.
 *
 * The same on x86-64 and aarch64, glibc and musl (checked against the headers of linux 6.12): both
 * are LP64 and little-endian, and neither has socket numbers of its own. The core fills the same
 * structures in `assembly/native.ts`, which can import nothing from here.
 */

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

export const SOL_IP = 0;
export const SOL_SOCKET = 1;
export const SOL_TCP = 6;
export const SOL_IPV6 = 41;

export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
/** Also the type of the control message that carries the count, a u32. */
export const SO_RXQ_OVFL = 40;
/** Also the type of the control message, in both directions. */
export const IP_PKTINFO = 8;
/** bind() leaves the choice of a port to connect(): a port then serves one for every other side. */
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const TCP_NODELAY = 1;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
/** The type of the control message, in both directions. */
export const IPV6_PKTINFO = 50;

/** An error instead of a signal where the other side has gone. */
export const MSG_NOSIGNAL = 0x4000;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
/** recvmmsg() blocks for the first datagram only. Without it, it blocks until the batch is full. */
export const MSG_WAITFORONE = 0x10000;

export const SHUT_WR = 1;

export const POLLIN = 1;
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
/** Tells once of what happens, and not as long as it is so. */
export const EPOLLET = 0x80000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_MOD = 3;

export const MADV_HUGEPAGE = 14;

export const EPERM = 1;
export const EINTR = 4;
export const EAGAIN = 11;
export const EACCES = 13;
export const EINVAL = 22;
export const EMFILE = 24;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const ECONNABORTED = 103;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
export const EINPROGRESS = 115;

/*
 * struct mmsghdr: a struct msghdr, then what recvmmsg() and sendmmsg() say about it.
 *
 *   0  8  msg_name         address of a sockaddr
 *   8  4  msg_namelen      in: room, out: bytes filled
 *  16  8  msg_iov          address of the iovecs
 *  24  8  msg_iovlen       their count
 *  32  8  msg_control      address of the control messages
 *  40  8  msg_controllen   in: room, out: bytes filled
 *  48  4  msg_flags        out: MSG_TRUNC, …
 *  56  4  msg_len          out: bytes received or sent
 *  64
 */
export const MMSGHDR_NAME = 0;
export const MMSGHDR_NAME_LENGTH = 8;
export const MMSGHDR_IOVEC = 16;
export const MMSGHDR_IOVEC_COUNT = 24;
export const MMSGHDR_CONTROL = 32;
export const MMSGHDR_CONTROL_LENGTH = 40;
export const MMSGHDR_FLAGS = 48;
export const MMSGHDR_BYTE_LENGTH = 56;
export const MMSGHDR_SIZE = 64;

/* struct iovec: 8 bytes of address, 8 bytes of length. */
export const IOVEC_BASE = 0;
export const IOVEC_LENGTH = 8;
export const IOVEC_SIZE = 16;

/*
 * struct sockaddr_in (16 bytes): u16 family, u16 port (wire order), 4 bytes of address, zeros.
 * struct sockaddr_in6 (28 bytes): the same two, u32 flow, 16 bytes of address, u32 interface.
 */
export const SOCKADDR_FAMILY = 0;
export const SOCKADDR_PORT = 2;
export const SOCKADDR_IN_ADDRESS = 4;
export const SOCKADDR_IN_SIZE = 16;
export const SOCKADDR_IN6_ADDRESS = 8;
export const SOCKADDR_IN6_SIZE = 28;
/* struct sockaddr_un: u16 family, then the path with a NUL behind it. */
export const SOCKADDR_UN_PATH = 2;

/*
 * struct cmsghdr (u64 length, the header included; i32 level; i32 type) and then the data. The next
 * one begins at the following multiple of 8.
 * struct in_pktinfo (12 bytes): u32 interface, 4 bytes source to send from, 4 bytes address asked.
 * struct in6_pktinfo (20 bytes): 16 bytes of address, u32 interface.
 * On receipt both in_pktinfo addresses are the local one unless it was a broadcast; on sending, the
 * source counts, and interface 0 leaves the choice to routing.
 */
export const CMSG_LENGTH = 0;
export const CMSG_LEVEL = 8;
export const CMSG_TYPE = 12;
export const CMSG_DATA = 16;
export const IN_PKTINFO_SOURCE = 4;
export const IN_PKTINFO_DESTINATION = 8;
export const IN_PKTINFO_SIZE = 12;
export const IN6_PKTINFO_ADDRESS = 0;
export const IN6_PKTINFO_INTERFACE = 16;
export const IN6_PKTINFO_SIZE = 20;
/** Room for the control messages that `UdpSocket` can ask for: packet info and the drop counter. */
export const CONTROL_SIZE = 64;

/* struct pollfd: i32 descriptor, i16 events asked for, i16 events seen. */
export const POLLFD_SIZE = 8;

/* struct epoll_event, packed on x86-64 only: u32 events, u64 data. */
const isPacked = Deno.build.arch === "x86_64";
export const EPOLL_EVENT_WORDS = isPacked ? 3 : 4;
export const EPOLL_EVENT_DATA_WORD = isPacked ? 1 : 2;
