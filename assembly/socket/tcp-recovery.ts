// Loss recovery: when it begins and ends, and what is sent again (tcp_fastretrans_alert, tcp_xmit_retransmit_queue).
import { FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import { after, before } from "../track/tcp-window.ts";
import * as congestion from "./tcp-congestion.ts";
import { pump, retransmit, sendOne, timestamp } from "./tcp-output.ts";
import { clearFlag, has, setFlag } from "./tcp-record.ts";
import * as timer from "./tcp-retransmit-timer.ts";
import * as scoreboard from "./tcp-scoreboard.ts";
import { setDeadline } from "./tcp-timer.ts";
import * as undo from "./tcp-undo.ts";

function isRecovering(c: usize): bool {
  return has(c, R.TCPF_RECOVERY | R.TCPF_LOSS);
}

/** Looks for losses. Whether something is newly lost. */
function look(c: usize, advanced: bool): bool {
  const first = load<usize>(c, R.TCP_QUEUE);
  if (!first || first == load<usize>(c, R.TCP_UNSENT)) return false;
  if (has(c, R.TCPF_SACK)) return scoreboard.findLost(c);
  if (isRecovering(c) ? advanced : load<u32>(c, R.TCP_DUPACKS) >= scoreboard.DUPACKS) return scoreboard.loseFirst(c);
  return false;
}

/** All that was sent before a recovery is acknowledged: whatever came of it, it is over (tcp_try_undo_recovery). */
function end(c: usize): void {
  const persist = load<u32>(c, R.TCP_REO_PERSIST);
  const isReduced = has(c, R.TCPF_RECOVERY);
  if (undo.isInVain(c)) undo.revert(c, false);
  else {
    if (persist) store<u32>(c, persist - 1, R.TCP_REO_PERSIST);
    if (isReduced) store<u32>(c, load<u32>(c, R.TCP_SSTHRESH), R.TCP_CWND);
  }
  clearFlag(c, R.TCPF_RECOVERY | R.TCPF_LOSS | R.TCPF_FRTO);
}

/** In recovery: it may be over, or have been in vain (the states of tcp_fastretrans_alert). */
function inRecovery(c: usize, advanced: bool, isOver: bool): void {
  if (isOver) {
    end(c);
    return;
  }
  // What was missing came late, and nothing that was sent again is under way (tcp_try_undo_partial).
  const isLate = advanced && has(c, R.TCPF_UNDO) && undo.isDelayed(c) && !load<u32>(c, R.TCP_AGAIN);
  if (isLate) undo.revert(c, true);
  if (isLate || undo.revertTwice(c)) clearFlag(c, R.TCPF_RECOVERY);
}

/** After a time-out. Whether new data goes out before anything else is sent again (tcp_process_loss; RFC 5682, 3.1). */
function afterTimeout(c: usize, advanced: bool, isOver: bool, early: u32): bool {
  const isSpurious = has(c, R.TCPF_FRTO) && scoreboard.isOriginal;
  if (isSpurious || (advanced && undo.isInVain(c))) {
    // What had never been sent again arrived: the time-out was one of a delay.
    undo.revert(c, true);
    store<u32>(c, 0, R.TCP_RETRIES);
    clearFlag(c, R.TCPF_LOSS | R.TCPF_FRTO);
    return false;
  }
  if (has(c, R.TCPF_FRTO)) {
    const next = load<u32>(c, R.TCP_SND_NXT);
    if (after(next, load<u32>(c, R.TCP_RECOVER))) {
      if (early) clearFlag(c, R.TCPF_FRTO);
    } else if (advanced && !isOver) {
      store<u32>(c, next, R.TCP_RECOVER);
      if (load<usize>(c, R.TCP_UNSENT)) return true;
      clearFlag(c, R.TCPF_FRTO);
    }
  }
  if (isOver) end(c);
  return false;
}

/**
 * After an acknowledgement: `delivered` segments have arrived, `early` of them before their turn; `advanced`: the oldest among them. Sends
 * again what is lost.
 */
export function follow(c: usize, delivered: u32, advanced: bool, early: u32): void {
  const isOver = advanced && isRecovering(c) && !before(load<u32>(c, R.TCP_SND_UNA), load<u32>(c, R.TCP_RECOVER));
  if (scoreboard.isTwice) undo.noteTwice(c, scoreboard.twiceEnd, scoreboard.twiceSegments);
  let sendsNew: bool = false;
  if (has(c, R.TCPF_RECOVERY)) inRecovery(c, advanced, isOver);
  else if (has(c, R.TCPF_LOSS)) sendsNew = afterTimeout(c, advanced, isOver, early);
  else if (has(c, R.TCPF_UNDO)) undo.revertTwice(c);
  scoreboard.begin();
  const newlyLost = look(c, advanced);
  if (newlyLost && !isRecovering(c)) {
    undo.begin(c);
    congestion.beginReduction(c);
    setFlag(c, R.TCPF_RECOVERY);
    store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_RECOVER);
  }
  if (has(c, R.TCPF_RECOVERY)) congestion.reduce(c, scoreboard.count(c), delivered, advanced, newlyLost);
  else if (advanced) congestion.grow(c, delivered);
  if (sendsNew) {
    pump(c);
    sendsNew = after(load<u32>(c, R.TCP_SND_NXT), load<u32>(c, R.TCP_RECOVER));
    if (!sendsNew) clearFlag(c, R.TCPF_FRTO);
  }
  if (isRecovering(c)) {
    if (!sendsNew) sendLost(c);
  } else if (has(c, R.TCPF_REPEATED)) undo.settle(c);
  if (scoreboard.wait) {
    clearFlag(c, R.TCPF_TAIL);
    setFlag(c, R.TCPF_REORDER);
    setDeadline(c, now + scoreboard.wait + timer.TIMEOUT_MIN);
  }
}

/** Sends a segment again that counts as lost: if it comes twice that was in vain. */
function sendAgain(c: usize, segment: usize): void {
  retransmit(c, segment);
  undo.noteRepetition(c, timestamp(c));
}

/** Sends again what is lost, as far as the congestion window allows. */
function sendLost(c: usize): void {
  let inFlight = scoreboard.count(c);
  if (!scoreboard.lost) return;
  const cwnd = load<u32>(c, R.TCP_CWND);
  const unsent = load<usize>(c, R.TCP_UNSENT);
  for (let at = load<usize>(c, R.TCP_QUEUE); at != unsent && inFlight < cwnd; at = load<usize>(at, FRAME_NEXT)) {
    if (load<u32>(at, R.SEG_MARKS) != R.SEGM_LOST) continue;
    sendAgain(c, at);
    if (at == load<usize>(c, R.TCP_QUEUE)) timer.restart(c);
    store<u32>(c, load<u32>(c, R.TCP_PRR_OUT) + 1, R.TCP_PRR_OUT);
    inFlight++;
  }
}

/** The timer of RACK: what has not come by now is lost (tcp_rack_reo_timeout). */
export function onReorderTimer(c: usize): void {
  timer.restart(c);
  scoreboard.beginAcknowledgement();
  follow(c, 0, false, 0);
  pump(c);
}

/** No acknowledgement for two round trips: the next segment, or the last one again, makes the peer say what is missing (tcp_send_loss_probe). */
export function probeTail(c: usize): void {
  if (!has(c, R.TCPF_TAIL_OUT)) {
    const isNew = sendOne(c);
    clearFlag(c, R.TCPF_TAIL_AGAIN);
    if (!isNew) {
      sendLast(c);
      setFlag(c, R.TCPF_TAIL_AGAIN);
    }
    setFlag(c, R.TCPF_TAIL_OUT);
    store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_TAIL_END);
  }
  timer.restart(c);
}

function sendLast(c: usize): void {
  const unsent = load<usize>(c, R.TCP_UNSENT);
  let last = load<usize>(c, R.TCP_QUEUE);
  while (load<usize>(last, FRAME_NEXT) != unsent) last = load<usize>(last, FRAME_NEXT);
  retransmit(c, last);
  // It counts as under way once, not as lost.
  scoreboard.mark(c, last, 0);
}

/**
 * The acknowledgement of a probe of the tail, or of what it repeats: if only one of them can have arrived, something had been lost.
 * `isDuplicate`: it says nothing else (tcp_process_tlp_ack).
 */
export function endTailProbe(c: usize, ack: u32, isDuplicate: bool): void {
  const to = load<u32>(c, R.TCP_TAIL_END);
  if (before(ack, to)) return;
  const isTwice = isDuplicate || (scoreboard.isTwice && scoreboard.twiceEnd == to);
  if (has(c, R.TCPF_TAIL_AGAIN) && !isTwice) {
    // The other one may still arrive.
    if (ack == to) return;
    if (!isRecovering(c)) {
      congestion.beginReduction(c);
      store<u32>(c, load<u32>(c, R.TCP_SSTHRESH), R.TCP_CWND);
    }
  }
  clearFlag(c, R.TCPF_TAIL_OUT | R.TCPF_TAIL_AGAIN);
}

/** The retransmission timer fired, for the `retries`th time in a row: all that is under way counts as lost (tcp_enter_loss). */
export function timedOut(c: usize, retries: u32): void {
  const isOver = !before(load<u32>(c, R.TCP_SND_UNA), load<u32>(c, R.TCP_RECOVER));
  const isFirst = !has(c, R.TCPF_RECOVERY | R.TCPF_LOSS);
  if (isFirst || isOver || (has(c, R.TCPF_LOSS) && retries == 1)) {
    undo.begin(c);
    congestion.beginReduction(c);
  }
  // Whether it was one of a loss shows if nothing else was being repaired (F-RTO).
  if (isFirst || retries > 1) setFlag(c, R.TCPF_FRTO);
  else clearFlag(c, R.TCPF_FRTO);
  congestion.collapse(c);
  scoreboard.loseAll(c);
  clearFlag(c, R.TCPF_RECOVERY | R.TCPF_TAIL_OUT | R.TCPF_TAIL_AGAIN);
  setFlag(c, R.TCPF_LOSS);
  store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_RECOVER);
  sendAgain(c, load<usize>(c, R.TCP_QUEUE));
}
