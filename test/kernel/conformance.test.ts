// Cases recorded on Linux, played in the emulator: the same frames at every interface, byte for byte, except for what a kernel
// picks at random; the same rule counters, connections and forwarding entries.
import { playCases } from "./play-cases.ts";

playCases("kernel");
