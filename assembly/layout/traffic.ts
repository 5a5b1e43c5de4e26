// What lines of traffic are made of besides flows and sessions: numbers drawn from distributions, moments of a trace, conditions of a retry.
const WORD = 4;
const LONG = 8;

// When the requests of a flow come.
export const ARRIVAL_CONSTANT = 0;
export const ARRIVAL_POISSON = 1;
export const ARRIVAL_TRACE = 2; // at the moments of a table
export const ARRIVAL_CLOSED = 3; // each client's when its last one is over, a closed loop
export const ARRIVAL_CALLED = 4; // when a service that is called itself needs them

// A number that is drawn anew each time. What comes out below LEAST or above MOST becomes that.
export const DRAW_KIND = 0; // DRAWN_*
export const DRAW_A = DRAW_KIND + LONG; // f64
export const DRAW_B = DRAW_A + LONG; // f64
export const DRAW_LEAST = DRAW_B + LONG; // f64
export const DRAW_MOST = DRAW_LEAST + LONG; // f64
export const DRAW_SIZE = DRAW_MOST + LONG;
export const DRAWN_CONSTANT = 0; // A
export const DRAWN_UNIFORM = 1; // from A to B
export const DRAWN_EXPONENTIAL = 2; // mean A
export const DRAWN_LOGNORMAL = 3; // median A, the logarithm's standard deviation B
export const DRAWN_PARETO = 4; // least A, shape B

// A request of a trace.
export const MOMENT_AT = 0; // f64 nanoseconds
export const MOMENT_BYTES = MOMENT_AT + LONG; // 0: as the flow says
export const MOMENT_ANSWER_BYTES = MOMENT_BYTES + WORD; // the same
export const MOMENT_SIZE = MOMENT_ANSWER_BYTES + WORD;

// When a request is tried again, in Envoy's words: bits.
export const RETRY_CONNECT_FAILURE = 1;
export const RETRY_RESET = 2; // also when no answer came in time
export const RETRY_GATEWAY_ERROR = 4; // 502, 503, 504
export const RETRY_5XX = 8;

// Where a session's current try stands.
export const TRY_ASKED = 0; // it is under way
export const TRY_WAITS = 1; // for a connection
export const TRY_LATER = 2; // it begins at its moment

// So long are the numbers that are written into requests, with blanks behind them.
export const DIGITS = 8;

// What the services of a namespace call before they answer an HTTP request: routes, the first of which that fits counts, of stages one
// after the other, of calls at once.
export const GRAPH_ROUTES = 0; // the first HANDLER_*
export const GRAPH_BAD_GATEWAY = GRAPH_ROUTES + WORD; // the answer when a call failed: its length, then its bytes
export const GRAPH_TIMEOUT = GRAPH_BAD_GATEWAY + WORD; // and when one was not answered in time
export const GRAPH_SIZE = GRAPH_TIMEOUT + WORD;
export const HANDLER_NEXT = 0;
export const HANDLER_PORT = HANDLER_NEXT + WORD; // on which requests come, 0: any
export const HANDLER_PATH = HANDLER_PORT + WORD; // with which their path begins: its length, then its bytes
export const HANDLER_STAGE = HANDLER_PATH + WORD; // the first STAGE_*
export const HANDLER_SIZE = HANDLER_STAGE + WORD;
export const STAGE_NEXT = 0;
export const STAGE_CALL = STAGE_NEXT + WORD; // the first CALL_*
export const STAGE_SIZE = STAGE_CALL + WORD;
export const CALL_NEXT = 0;
export const CALL_FLOW = CALL_NEXT + WORD; // 0: no call, but work that takes time
export const CALL_WORK = CALL_FLOW + WORD; // DRAW_* of that time
export const CALL_TIMES = CALL_WORK + WORD; // made so often, one after the other
export const CALL_CHANCE = CALL_TIMES + WORD; // in 2^-32, 0: always
export const CALL_SIZE = CALL_CHANCE + WORD;

// A request that a service answers when its calls are done.
export const SERVED_NEXT = 0; // the next of its connection
export const SERVED_CONNECTION = SERVED_NEXT + WORD;
export const SERVED_GENERATION = SERVED_CONNECTION + WORD;
export const SERVED_ROUTE = SERVED_GENERATION + WORD; // 0: none fits
export const SERVED_WANTED = SERVED_ROUTE + WORD; // length that the answer should have
export const SERVED_IS_WHOLE = SERVED_WANTED + WORD;
export const SERVED_STAGE = SERVED_IS_WHOLE + WORD;
export const SERVED_PENDING = SERVED_STAGE + WORD; // calls of the stage that are not over
export const SERVED_STATUS = SERVED_PENDING + WORD; // 0: none has failed
export const SERVED_SIZE = SERVED_STATUS + WORD;
