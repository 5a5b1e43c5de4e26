// What Wireshark asks an external capture program and how it is answered (extcap(4)): interfaces, link types, arguments.
export const EXTCAP_INTERFACE = "podwire";
const LINKTYPE_ETHERNET = 1;

/** An argument that Wireshark asks the user for and passes on as `--call VALUE`. */
interface Argument {
  call: string;
  display: string;
  tooltip: string;
  type: "fileselect" | "string" | "selector" | "unsigned";
  required?: boolean;
  default?: string;
  /** Of a selector. */
  values?: readonly string[];
}

export const EXTCAP_ARGUMENTS: readonly Argument[] = [
  {
    call: "file",
    display: "Scenario or manifests",
    tooltip: "A YAML file with Kubernetes manifests, a Scenario, or both",
    type: "fileselect",
    required: true,
  },
  {
    call: "devices",
    display: "Devices",
    tooltip:
      "Names or globs, separated by commas, such as node-*/vbr0,default/web-0/eth0; empty: what the scenario captures",
    type: "string",
  },
  {
    call: "pace",
    display: "Pace",
    tooltip: "How fast virtual time goes",
    type: "selector",
    default: "realtime",
    values: ["realtime", "10x", "max"],
  },
  {
    call: "duration",
    display: "Duration",
    tooltip: "Virtual time to run, such as 10s; empty: the scenario's",
    type: "string",
  },
  { call: "nodes", display: "Nodes", tooltip: "Number of nodes; empty: the scenario's", type: "string" },
];

/** The answer to `--extcap-interfaces`. */
export function interfacesAnswer(version: string): string {
  return `extcap {version=${version}}\ninterface {value=${EXTCAP_INTERFACE}}{display=Emulated Kubernetes network}\n`;
}

/** The answer to `--extcap-dlts`. */
export function linkTypesAnswer(): string {
  return `dlt {number=${LINKTYPE_ETHERNET}}{name=EN10MB}{display=Ethernet}\n`;
}

/** The answer to `--extcap-config`. */
export function configAnswer(): string {
  return EXTCAP_ARGUMENTS.map((argument, number) => {
    const { call, display, tooltip, type, required, values = [] } = argument;
    const parts = [
      `arg {number=${number}}{call=--${call}}{display=${display}}{tooltip=${tooltip}}{type=${type}}`,
      required ? "{required=true}" : "",
      type === "fileselect" ? "{mustexist=true}{fileext=YAML (*.yaml *.yml)}" : "",
      argument.default !== undefined && values.length === 0 ? `{default=${argument.default}}` : "",
    ];
    const choices = values.map(
      (value) => `value {arg=${number}}{value=${value}}{display=${value}}{default=${value === argument.default}}\n`,
    );
    return `${parts.join("")}\n${choices.join("")}`;
  }).join("");
}
