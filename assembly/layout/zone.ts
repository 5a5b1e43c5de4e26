// The zone of the cluster's DNS server: a hash table over names in wire form, in one position-independent block of words.
// Written by src/engine/zone.ts, answered from by assembly/app/dns-server.ts. Offsets are bytes from the block's start.
//
//   +--------+---------+-------+------------------+-----+
//   | header | buckets | entry | name | records   | ... |
//   +--------+---------+-------+------------------+-----+
const WORD = 4;

export const ZONE_MASK = 0; // number of buckets - 1
export const ZONE_APEX = ZONE_MASK + WORD; // offset of the apex's entry
export const ZONE_BUCKETS = ZONE_APEX + WORD; // offset of the first entry of each bucket, 0: none

// An entry; its name follows, padded to a word, then its records. Equal names stand in one entry.
export const ENTRY_NEXT = 0;
export const ENTRY_NAME_LENGTH = ENTRY_NEXT + WORD;
export const ENTRY_RECORDS = ENTRY_NAME_LENGTH + WORD; // number of records; 0: the name exists without any
export const ENTRY_NAME = ENTRY_RECORDS + WORD;

// A record; its data follow, padded to a word.
export const RECORD_TYPE = 0;
export const RECORD_TTL = RECORD_TYPE + WORD;
export const RECORD_LENGTH = RECORD_TTL + WORD;
export const RECORD_DATA = RECORD_LENGTH + WORD;

export const DNS_A = 1;
export const DNS_CNAME = 5;
export const DNS_SOA = 6;
export const DNS_PTR = 12;
export const DNS_AAAA = 28;
export const DNS_SRV = 33;

// The hash of a name: FNV-1a over its bytes in lower case.
export const ZONE_HASH_START = 0x811c9dc5;
export const ZONE_HASH_PRIME = 0x01000193;
