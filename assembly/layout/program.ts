// What a program of the host hears of its sockets: mails, in the order in which they came, and the answer to a question about a way.
// Written by assembly/app/program.ts and assembly/index.ts, read by src/kernel/programs.ts.
const WORD = 4;
const LONG = 8;

export const MAIL_NEXT = 0;
export const MAIL_KIND = MAIL_NEXT + WORD; // MAIL_*
export const MAIL_NUMBER = MAIL_KIND + WORD; // that the host gave the socket
export const MAIL_SUBJECT = MAIL_NUMBER + WORD; // what it is about besides, said beside each kind
export const MAIL_TIME = MAIL_SUBJECT + WORD; // u64
export const MAIL_LENGTH = MAIL_TIME + LONG; // bytes that came
export const MAIL_BYTES = 32; // as many of them as there is room for
export const MAIL_ROOM = 9216;
export const MAIL_SIZE = MAIL_BYTES + MAIL_ROOM + 16; // copies overrun

export const MAIL_PACKET = 1; // an IPv4 packet for a socket of UDP or ICMP, from its header on
export const MAIL_ERROR = 2; // an ICMP error about what a socket sent: the IPv4 packet that tells it
export const MAIL_CONNECTED = 3; // subject: the connection
export const MAIL_DATA = 4; // bytes of a stream; subject: the connection
export const MAIL_CLOSED = 5; // no more will come; subject: the connection
export const MAIL_REFUSED = 6; // and there is no connection any more, as with the next two
export const MAIL_RESET = 7;
export const MAIL_EXPIRED = 8; // nobody answers
export const MAIL_RESOLVED = 9; // subject: the address
export const MAIL_UNRESOLVED = 10; // subject: questions that were not answered in time

// The way to an address.
export const WAY_OUTCOME = 0; // WAY_TO_*
export const WAY_DEVICE = WAY_OUTCOME + WORD;
export const WAY_NEXT_HOP = WAY_DEVICE + WORD;
export const WAY_SOURCE = WAY_NEXT_HOP + WORD;
export const WAY_MTU = WAY_SOURCE + WORD;
export const WAY_SIZE = 32;
export const WAY_TO_LOCAL = 0;
export const WAY_ONWARD = 1;
export const WAY_NOWHERE = 2;
