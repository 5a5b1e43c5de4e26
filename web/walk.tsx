// A packet's walk, hop by hop: where it is, and beside it every rule, rewrite and decision that it met, in the trace's own words.
import { useEffect, useRef } from "preact/hooks";
import type { PictureLine, PictureWalk } from "../src/report/picture.ts";
import { shortName } from "./layout.ts";

export type Packet = PictureWalk["packets"][number];

/** Milliseconds for a step of its own, and for what happens within a hook. */
const PACE = [520, 260] as const;

export interface Cursor {
  packet: number;
  step: number;
  playing: boolean;
}

/** The steps as hops: runs of steps in one namespace. */
export function hopsOf({ places, steps }: Packet): { name: string; first: number }[] {
  return steps.flatMap(({ at }, i) => (i > 0 && steps[i - 1]?.at === at ? [] : [{ name: places[at] ?? "", first: i }]));
}

interface Props {
  line: PictureLine;
  cursor: Cursor;
  onMove: (cursor: Cursor) => void;
}

export function WalkPanel({ line, cursor, onMove }: Props) {
  const { walk } = line;
  const packet = walk?.packets[cursor.packet];
  usePlay(walk, cursor, onMove);
  if (!walk || !packet) {
    return <p class="empty">No request of this line was followed. podwire trace follows any.</p>;
  }
  const go = (step: number): void =>
    onMove({ packet: cursor.packet, step: Math.max(0, Math.min(packet.steps.length - 1, step)), playing: false });
  const atEnd = cursor.packet === walk.packets.length - 1 && cursor.step === packet.steps.length - 1;
  const play = (): void => {
    if (cursor.playing) onMove({ ...cursor, playing: false });
    else onMove(atEnd ? { packet: 0, step: 0, playing: true } : { ...cursor, playing: true });
  };
  const keys: Record<string, () => void> = {
    ArrowLeft: () => go(cursor.step - 1),
    ArrowRight: () => go(cursor.step + 1),
    Home: () => go(0),
    End: () => go(packet.steps.length - 1),
    " ": play,
  };
  return (
    <div
      class="walk"
      tabIndex={0}
      role="group"
      aria-label="The walk: left and right arrows go from step to step, space plays"
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget || !keys[event.key]) return;
        event.preventDefault();
        keys[event.key]?.();
      }}
    >
      <p class={`outcome ${walk.delivered ? "ok" : "lost"}`}>{walk.outcome}</p>
      <div class="controls">
        {walk.packets.map((_, i) => (
          <button
            key={i}
            type="button"
            aria-pressed={i === cursor.packet}
            onClick={() => onMove({ packet: i, step: 0, playing: false })}
          >
            {i === 0 ? "there" : "back"}
          </button>
        ))}
        <span class="spacer" />
        <button type="button" aria-label="previous step" onClick={() => go(cursor.step - 1)}>
          ‹
        </button>
        <button type="button" class="play" onClick={play}>
          {cursor.playing ? "pause" : "play"}
        </button>
        <button type="button" aria-label="next step" onClick={() => go(cursor.step + 1)}>
          ›
        </button>
      </div>
      <p class="title">
        <code>{packet.title}</code>
      </p>
      <Strip packet={packet} step={cursor.step} onStep={go} />
      <Steps packet={packet} step={cursor.step} onStep={go} />
      {!walk.outcome.includes(packet.end) && <p class={`end ${packet.delivered ? "ok" : "lost"}`}>{packet.end}</p>}
    </div>
  );
}

/** Plays the walk while the cursor says so: step by step, the answer after the request. */
function usePlay(walk: PictureWalk | null, cursor: Cursor, onMove: (cursor: Cursor) => void): void {
  const packet = walk?.packets[cursor.packet];
  useEffect(() => {
    if (!cursor.playing || !walk || !packet) return;
    const depth = packet.steps[cursor.step]?.depth ?? 0;
    const timer = setTimeout(() => {
      if (cursor.step + 1 < packet.steps.length) onMove({ ...cursor, step: cursor.step + 1 });
      else if (cursor.packet + 1 < walk.packets.length) onMove({ packet: cursor.packet + 1, step: 0, playing: true });
      else onMove({ ...cursor, playing: false });
    }, PACE[depth]);
    return () => clearTimeout(timer);
  }, [walk, packet, cursor]);
}

/** The hops in a row, with the packet at one of them. */
function Strip({ packet, step, onStep }: { packet: Packet; step: number; onStep: (step: number) => void }) {
  const hops = hopsOf(packet);
  const now = hops.findLastIndex(({ first }) => first <= step);
  return (
    <ol class="strip" aria-label="hops">
      {hops.map(({ name, first }, i) => (
        <li key={i} class={i === now ? "now" : i < now ? "past" : ""}>
          <button type="button" tabIndex={-1} title={name} onClick={() => onStep(first)}>
            {shortName(name)}
          </button>
        </li>
      ))}
    </ol>
  );
}

function Steps({ packet, step, onStep }: { packet: Packet; step: number; onStep: (step: number) => void }) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const current = list.current?.querySelector<HTMLElement>("[aria-current]");
    if (!list.current || !current) return;
    // Only the list itself scrolls, and not the page.
    const top = current.offsetTop - list.current.offsetTop;
    const height = list.current.clientHeight;
    if (top < list.current.scrollTop || top > list.current.scrollTop + height - 40)
      list.current.scrollTop = top - height / 2;
  }, [packet, step]);
  return (
    <ol class="steps" ref={list}>
      {packet.steps.map(({ at, kind, depth, text }, i) => {
        const entered = i === 0 || packet.steps[i - 1]?.at !== at;
        return (
          <li
            key={i}
            class={`${kind} depth${depth} ${i > step ? "ahead" : ""}`}
            aria-current={i === step ? "step" : undefined}
            onClick={() => onStep(i)}
          >
            {entered && <b class="where">{packet.places[at]}</b>}
            <span>{text}</span>
          </li>
        );
      })}
    </ol>
  );
}
