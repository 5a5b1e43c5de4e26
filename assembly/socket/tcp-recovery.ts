// Loss recovery: when it begins and ends, and what is sent again (tcp_fastretrans_alert, tcp_xmit_retransmit_queue).
import { FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import { after, before } from "../track/tcp-window.ts";
import * as tcp from "../wire/tcp.ts";
import * as congestion from "./tcp-congestion.ts";
import { pump, retransmit, sendOne } from "./tcp-output.ts";
import { clearFlag, has, setFlag } from "./tcp-record.ts";
import * as timer from "./tcp-retransmit-timer.ts";
import * as scoreboard from "./tcp-scoreboard.ts";
import { setDeadline } from "./tcp-timer.ts";

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

/** After an acknowledgement: `delivered` segments have arrived; `advanced`: the oldest among them. Sends again what is lost. */
export function follow(c: usize, delivered: u32, advanced: bool): void {
  if (advanced && isRecovering(c) && !before(load<u32>(c, R.TCP_SND_UNA), load<u32>(c, R.TCP_RECOVER))) {
    if (has(c, R.TCPF_RECOVERY)) store<u32>(c, load<u32>(c, R.TCP_SSTHRESH), R.TCP_CWND);
    clearFlag(c, R.TCPF_RECOVERY | R.TCPF_LOSS);
  }
  scoreboard.begin();
  const newlyLost = look(c, advanced);
  if (newlyLost && !isRecovering(c)) {
    congestion.beginReduction(c);
    setFlag(c, R.TCPF_RECOVERY);
    store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_RECOVER);
  }
  if (has(c, R.TCPF_RECOVERY)) congestion.reduce(c, scoreboard.count(c), delivered, advanced, newlyLost);
  else if (advanced) congestion.grow(c, delivered);
  if (isRecovering(c)) sendLost(c);
  if (scoreboard.wait) {
    clearFlag(c, R.TCPF_TAIL);
    setFlag(c, R.TCPF_REORDER);
    setDeadline(c, now + scoreboard.wait + timer.TIMEOUT_MIN);
  }
}

/** Sends again what is lost, as far as the congestion window allows. */
function sendLost(c: usize): void {
  let inFlight = scoreboard.count(c);
  if (!scoreboard.lost) return;
  const cwnd = load<u32>(c, R.TCP_CWND);
  const unsent = load<usize>(c, R.TCP_UNSENT);
  for (let at = load<usize>(c, R.TCP_QUEUE); at != unsent && inFlight < cwnd; at = load<usize>(at, FRAME_NEXT)) {
    if (load<u32>(at, R.SEG_MARKS) != R.SEGM_LOST) continue;
    retransmit(c, at);
    if (at == load<usize>(c, R.TCP_QUEUE)) timer.restart(c);
    store<u32>(c, load<u32>(c, R.TCP_PRR_OUT) + 1, R.TCP_PRR_OUT);
    inFlight++;
  }
}

/** The timer of RACK: what has not come by now is lost (tcp_rack_reo_timeout). */
export function onReorderTimer(c: usize): void {
  timer.restart(c);
  follow(c, 0, false);
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

/** All up to a probe of the tail is acknowledged: if it was a repetition that the peer needed, something had been lost (tcp_process_tlp_ack). */
export function endTailProbe(c: usize, ack: u32): void {
  if (!has(c, R.TCPF_TAIL_OUT) || before(ack, load<u32>(c, R.TCP_TAIL_END))) return;
  const isTwice = tcp.optionBlockCount > 0 && !after(tcp.blockEnd(0), ack);
  if (has(c, R.TCPF_TAIL_AGAIN) && !isTwice && !isRecovering(c)) {
    congestion.beginReduction(c);
    store<u32>(c, load<u32>(c, R.TCP_SSTHRESH), R.TCP_CWND);
  }
  clearFlag(c, R.TCPF_TAIL_OUT | R.TCPF_TAIL_AGAIN);
}

/** The retransmission timer fired, for the `retries`th time in a row: all that is under way counts as lost (tcp_enter_loss). */
export function timedOut(c: usize, retries: u32): void {
  const isOver = !before(load<u32>(c, R.TCP_SND_UNA), load<u32>(c, R.TCP_RECOVER));
  if (!isRecovering(c) || isOver || (has(c, R.TCPF_LOSS) && retries == 1)) congestion.beginReduction(c);
  congestion.collapse(c);
  scoreboard.loseAll(c);
  clearFlag(c, R.TCPF_RECOVERY | R.TCPF_TAIL_OUT | R.TCPF_TAIL_AGAIN);
  setFlag(c, R.TCPF_LOSS);
  store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_RECOVER);
  retransmit(c, load<usize>(c, R.TCP_QUEUE));
}
