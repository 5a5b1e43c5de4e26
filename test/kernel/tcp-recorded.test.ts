// TCP, held against recordings of Linux: how connections open and close, what a receiver reports of early segments, when data and
// probes go again.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compileKernel } from "../../src/kernel/load.ts";
import { readCase } from "../../src/lab/case.ts";
import { readRecording, type Row } from "../../src/lab/recording.ts";
import { runLab } from "../../src/lab/run.ts";
import { decodeFrame } from "../tools/frame.ts";
import { ROOT } from "../tools/podwire.ts";
import { BUILDS, modulePath } from "./lab.ts";
import { differences } from "./recorded.ts";

const TIMESTAMPS = 8;

interface Sent {
  /** Step, flags, sequence numbers from the start of each side's data, bytes, and the blocks of a SACK option. */
  words: string;
  /** Since the step began. */
  seconds: number;
  bytes: number;
}

/** What the host sent. */
function segments(rows: readonly Row[]): Sent[] {
  let start = 0;
  return rows.flatMap(({ step, at, dir, inj, us = 0, hex }) => {
    if (inj || at !== "host:eth0" || dir !== "out") return [];
    const { tcp, payload } = decodeFrame(Buffer.from(hex, "hex"));
    if (!tcp) return [];
    if (tcp.flags === "S.") start = tcp.sequence + 1;
    const option = tcp.options.find(({ kind }) => kind === 5);
    const blocks = option ? Buffer.from(option.value) : Buffer.alloc(0);
    const edges = Array.from({ length: blocks.length / 8 }, (_, i) => {
      return `${blocks.readUInt32BE(i * 8) - 1001}-${blocks.readUInt32BE(i * 8 + 4) - 1001}`;
    });
    const words = [tcp.flags, (tcp.sequence - start) | 0, "ack", tcp.acknowledgement - 1001, payload.length, ...edges];
    return [{ words: `${step}: ${words.join(" ")}`, seconds: us / 1e6, bytes: payload.length }];
  });
}

/** What the host sent, but for what is left to chance: its sequence numbers and timestamps. */
function answers(rows: readonly Row[]) {
  return rows.flatMap(({ step, at, dir, inj, hex }) => {
    const { tcp, payload } = decodeFrame(Buffer.from(hex, "hex"));
    if (inj || at !== "host:eth0" || dir !== "out" || !tcp) return [];
    const options = tcp.options.map(({ kind, value }) =>
      kind === TIMESTAMPS
        ? `ts ${Buffer.from(value).readUInt32BE(4)}`
        : `${kind} ${Buffer.from(value).toString("hex")}`,
    );
    return [
      {
        step,
        port: tcp.destinationPort,
        flags: tcp.flags,
        ack: tcp.acknowledgement,
        window: tcp.window,
        options,
        bytes: payload.length,
      },
    ];
  });
}

describe.each(BUILDS)("in the %s build", (build) => {
  const module = compileKernel(modulePath(build));

  test.each([
    ["data that nobody acknowledges goes again, and again after twice the time", "data-again", 8],
    ["a closed window is probed, ever less often, until it opens", "closed-window", 8],
    ["a keep-alive is answered, twice a second at most", "probe", 3],
  ])("%s", (_, name, count) => {
    const { linux, podwire } = play(name);
    expect(linux).toHaveLength(count);
    expect(podwire.map(({ words }) => words)).toEqual(linux.map(({ words }) => words));
    // The live kernel's clock ticks every 4 ms, and its time-outs count from a round trip that is never quite the same.
    podwire.forEach(({ seconds }, i) => {
      expect(Math.abs(seconds - (linux[i]?.seconds ?? 0))).toBeLessThan(0.02 + seconds / 10);
    });
  });

  test.each([
    ["a SYN goes out six times in 5 s with all its options, and the answer's are taken", "connect"],
    ["a reset ends an attempt; segments for a port where nobody listens are answered with resets", "refused"],
    ["full segments open the receive window to what the buffer holds", "window"],
    ["without TCP_NODELAY small segments wait for the acknowledgement of one, and go together", "nagle"],
    ["a listener whose queue is full takes no SYN, and leaves the ACK of a handshake unheard", "backlog"],
    ["with tcp_abort_on_overflow the ACK of a handshake is answered with a reset", "backlog-abort"],
    ["a program that has read all closes with a FIN, and TIME-WAIT acknowledges the peer's again", "close-read"],
    ["a program that closes with bytes unread resets the connection", "close-unread"],
    ["data for a connection that nobody holds any more resets it", "data-after-close"],
    ["so it does once the FIN is acknowledged; a keep-alive is answered until then", "data-after-half-close"],
    ["small answers go with the acknowledgement of what they answer, at once or late", "ack-answers"],
    ["16 full segments are acknowledged one by one, then each second one, and the last one late", "ack-bulk"],
    ["a process that does not read leaves only the quick acknowledgements, and one that is late", "ack-unread"],
  ])("%s: byte for byte", (_, name) => {
    const path = join(ROOT, "test/fixtures/tcp", name);
    expect(differences(runLab(readCase(path), module, { recording: readRecording(path) }), path)).toEqual([]);
  });

  test.each([
    [
      "a trickle: 16 acknowledgements at once, then each is as late as the time between segments says",
      "ack-trickle",
      21,
    ],
    [
      "what comes twice is acknowledged at once, and so is what follows; a FIN waits for the program's",
      "ack-trouble",
      9,
    ],
  ])("%s", (_, name, count) => {
    const { linux, podwire } = play(name);
    expect(linux).toHaveLength(count);
    expect(podwire.map(({ words }) => words)).toEqual(linux.map(({ words }) => words));
    // A timer fires with a tick of 4 ms; podwire has them half a tick late.
    podwire.forEach(({ seconds }, i) => {
      expect(Math.abs(seconds - (linux[i]?.seconds ?? 0))).toBeLessThan(0.006);
    });
  });

  test.each([
    ["a time-out was one of a delay if an original arrives: nothing else goes again (F-RTO)", "frto-spurious"],
    ["after a time-out new data is tried; if only that arrives, the rest was lost", "frto-loss"],
    ["what came twice had not been lost: the window is what it was (D-SACK)", "undo-dsack"],
    ["where a segment came late, RACK waits for one that three have overtaken", "rack-reorder"],
  ])("%s", (_, name) => {
    const { linux, podwire } = play(name);
    // What waits has been written as one there, and in segments here: that shows in PSH.
    const plain = (sent: Sent[]) => sent.map(({ words }) => words.replace("P.", "."));
    expect(linux.length).toBeGreaterThan(17);
    expect(plain(podwire)).toEqual(plain(linux));
    podwire.forEach(({ seconds }, i) => {
      expect(Math.abs(seconds - (linux[i]?.seconds ?? 0))).toBeLessThan(0.02 + seconds / 10);
    });
  });

  test("of many early segments the first are acknowledged at once, the others together", () => {
    // Steps 53 to 64 inject twelve of them, each a moment after the one before: how long that took differs.
    const early = (sent: Sent[]) =>
      sent.filter(({ words }) => /^(5[3-9]|6[0-5]):/.test(words)).map(({ words }) => words);
    const { linux, podwire } = play("ack-compressed");
    expect(early(linux).slice(0, 4)).toEqual([
      "53: . 0 ack 73000 0 74460-75920",
      "54: . 0 ack 73000 0 74460-77380",
      "55: . 0 ack 73000 0 74460-78840",
      "56: . 0 ack 73000 0 74460-80300",
    ]);
    expect(early(podwire).slice(0, 4)).toEqual(early(linux).slice(0, 4));
    for (const sent of [linux, podwire]) {
      expect(early(sent).length).toBeLessThan(11);
      expect(early(sent).at(-1)).toMatch(/: \. 0 ack 73000 0 74460-91980$/);
    }
    expect(podwire.at(-1)?.words).toBe(linux.at(-1)?.words);
  });

  test("early segments are reported newest first, what came twice before all others", () => {
    const { linux, podwire } = play("sack");
    // The program that Linux ran has not set TCP_NODELAY as podwire's have: its data goes at other times.
    const acknowledgements = (sent: Sent[]) => sent.filter(({ bytes }) => bytes === 0).map(({ words }) => words);
    expect(acknowledgements(linux)).toHaveLength(10);
    expect(acknowledgements(podwire)).toEqual(acknowledgements(linux));
  });

  test("a listener whose SYN queue is full answers with cookies, and ACKs that bring one make connections", () => {
    const path = join(ROOT, "test/fixtures/tcp/syncookies");
    const recording = readRecording(path);
    // Linux's cookies mean nothing here: the replies are made of what podwire sends.
    const result = runLab(readCase(path), module);
    const linux = answers(recording.rows);
    expect(linux.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 8, 11]);
    expect(answers(result.rows)).toEqual(linux);
    expect(result.tcpExt).toEqual({
      host: {
        SyncookiesSent: 4,
        SyncookiesRecv: 5,
        SyncookiesFailed: 1,
        ListenOverflows: 3,
        ListenDrops: 3,
        TCPReqQFullDoCookies: 4,
      },
    });
  });

  function play(name: string): { linux: Sent[]; podwire: Sent[] } {
    const path = join(ROOT, "test/fixtures/tcp", name);
    const recording = readRecording(path);
    return { linux: segments(recording.rows), podwire: segments(runLab(readCase(path), module, { recording }).rows) };
  }
});
