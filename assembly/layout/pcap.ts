// A captured frame as it stands in a file: the enhanced packet block of pcapng and the record of a classic nanosecond pcap.
// Formed by the kernel, little-endian; the blocks around them are in src/pcap.
//
//   +--------+-------------------+--------------+------------------+----------------+--------------+
//   | header | frame, zeros to 4 | flags option | packet id option | end of options | length again |
//   +--------+-------------------+--------------+------------------+----------------+--------------+
//   0        EPB_FRAME           T              T + EPB_ID_OPTION  T + EPB_END_OPTION
//
// where T, the tail, begins at EPB_FRAME + ((captured length + 3) & ~3), and the whole block is EPB_TAIL bytes longer.
const WORD = 4;

// The moment at which virtual time starts: 2026-01-01T00:00:00Z in seconds since 1970. Fixed, so that a seed gives one file.
export const CAPTURE_EPOCH = 1767225600;

// No frame is longer, so the captured length is the original length.
export const CAPTURE_SNAPLEN = 262144;

// Enhanced packet block. The time is a 64-bit count of nanoseconds since 1970, high word first.
export const EPB_TYPE = 0;
export const EPB_LENGTH = EPB_TYPE + WORD;
export const EPB_INTERFACE = EPB_LENGTH + WORD; // in the order of the interface description blocks
export const EPB_TIME_HIGH = EPB_INTERFACE + WORD;
export const EPB_TIME_LOW = EPB_TIME_HIGH + WORD;
export const EPB_CAPTURED = EPB_TIME_LOW + WORD;
export const EPB_ORIGINAL = EPB_CAPTURED + WORD;
export const EPB_FRAME = EPB_ORIGINAL + WORD; // followed by zeros up to a multiple of four bytes

// What follows, from the end of those zeros. An option begins with code | length << 16.
export const EPB_FLAGS_OPTION = 0;
export const EPB_FLAGS = EPB_FLAGS_OPTION + WORD;
export const EPB_ID_OPTION = EPB_FLAGS + WORD;
export const EPB_ID_LOW = EPB_ID_OPTION + WORD;
export const EPB_ID_HIGH = EPB_ID_LOW + WORD;
export const EPB_END_OPTION = EPB_ID_HIGH + WORD;
export const EPB_LENGTH_AGAIN = EPB_END_OPTION + WORD;
export const EPB_TAIL = EPB_LENGTH_AGAIN + WORD;

// The length of a block without its frame.
export const EPB_OVERHEAD = EPB_FRAME + EPB_TAIL;

// Values of those words.
export const EPB_TYPE_VALUE = 6;
export const EPB_FLAGS_OPTION_VALUE = 2 | (4 << 16);
export const EPB_ID_OPTION_VALUE = 5 | (8 << 16);
export const EPB_END_OPTION_VALUE = 0;

// epb_flags: a direction or-ed with how the frame is addressed.
export const EPB_INBOUND = 1;
export const EPB_OUTBOUND = 2;
export const EPB_UNICAST = 1 << 2;
export const EPB_MULTICAST = 2 << 2;
export const EPB_BROADCAST = 3 << 2;

// A note about a packet among the blocks, of a type for local use; the host makes comments of it, so that it never stands in a file.
export const NOTE_BLOCK_TYPE = 0;
export const NOTE_BLOCK_LENGTH = NOTE_BLOCK_TYPE + WORD;
export const NOTE_BLOCK_TIME_HIGH = NOTE_BLOCK_LENGTH + WORD;
export const NOTE_BLOCK_TIME_LOW = NOTE_BLOCK_TIME_HIGH + WORD;
export const NOTE_BLOCK_ID_LOW = NOTE_BLOCK_TIME_LOW + WORD;
export const NOTE_BLOCK_ID_HIGH = NOTE_BLOCK_ID_LOW + WORD;
export const NOTE_BLOCK_SIZE = NOTE_BLOCK_ID_HIGH + WORD; // of the note, NOTE_*
export const NOTE_BLOCK_NOTE = NOTE_BLOCK_SIZE + WORD; // followed by zeros up to a multiple of four bytes, and the length again
export const NOTE_BLOCK_OVERHEAD = NOTE_BLOCK_NOTE + WORD;
export const NOTE_BLOCK_TYPE_VALUE = 0x4e4f5445;

// The record of a classic pcap file: seconds and nanoseconds since 1970. The frame follows without padding.
export const PCAP_SECONDS = 0;
export const PCAP_NANOSECONDS = PCAP_SECONDS + WORD;
export const PCAP_CAPTURED = PCAP_NANOSECONDS + WORD;
export const PCAP_ORIGINAL = PCAP_CAPTURED + WORD;
export const PCAP_FRAME = PCAP_ORIGINAL + WORD;
