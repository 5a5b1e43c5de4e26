// Cases of IPv6 recorded on Linux, played in the emulator: the same frames, counters and connections, byte for byte.
import { playCases } from "./play-cases.ts";

playCases("kernel6", "IPv6 in ");
