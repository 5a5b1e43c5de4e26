// A capture filter: the expression of tcpdump compiled to operations on a stack of truths, in postfix order. Written by
// src/pcap/filter.ts, asked by assembly/observe/filter.ts for each captured frame.
const WORD = 4;

export const FILTER_OPERATIONS = 0; // their number; the operations follow
export const FILTER_FIRST = FILTER_OPERATIONS + WORD;
export const FILTER_DEPTH_MAX = 32; // of the stack

export const OPERATION_KIND = 0; // FILTER_*
export const OPERATION_WHERE = OPERATION_KIND + WORD; // FILTER_SOURCE | FILTER_DESTINATION: either of those named
export const OPERATION_A = OPERATION_WHERE + WORD;
export const OPERATION_B = OPERATION_A + WORD;
export const OPERATION_C = OPERATION_B + WORD;
export const OPERATION_SIZE = OPERATION_C + WORD;

export const FILTER_AND = 1;
export const FILTER_OR = 2;
export const FILTER_NOT = 3;
export const FILTER_ETHER_TYPE = 4; // A: type
export const FILTER_IP_PROTO = 5; // A: protocol
export const FILTER_NET = 6; // an address of IPv4 or ARP: (address & B) == A
export const FILTER_PORT = 7; // A to B, of C: a protocol, 0: TCP, UDP or SCTP
export const FILTER_ETHER_HOST = 8; // A: bytes 0-1, B: bytes 2-5 of the address
export const FILTER_LENGTH = 9; // A <= frame length <= B

export const FILTER_SOURCE = 1;
export const FILTER_DESTINATION = 2;
