// The Kubernetes Indexed Job that runs a sweep: one pod for each index, without any right that it does not need.
import { basename } from "node:path";
import { stringify } from "yaml";

export interface JobOptions {
  name: string;
  /** The Sweep's file; in the pod it stands in /sweep. */
  file: string;
  image: string;
  /** Pods in all, and at the same time. */
  count: number;
  parallelism: number;
  /** The PersistentVolumeClaim for the results; without one they are gone with the pod. */
  claim?: string | undefined;
}

/** The Job as YAML, with a comment on the ConfigMap that it reads. */
export function jobManifest({ name, file, image, count, parallelism, claim }: JobOptions): string {
  const labels = { "app.kubernetes.io/name": "podwire", "app.kubernetes.io/instance": name };
  const container = {
    name: "sweep",
    image,
    args: ["sweep", "run", `/sweep/${basename(file)}`, "--out", "/out", "--count", String(count)],
    resources: { requests: { cpu: "1", memory: "512Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "sweep", mountPath: "/sweep", readOnly: true },
      { name: "out", mountPath: "/out" },
    ],
  };
  const pod = {
    restartPolicy: "OnFailure",
    automountServiceAccountToken: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      fsGroup: 1000,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [container],
    volumes: [
      { name: "sweep", configMap: { name } },
      claim === undefined
        ? { name: "out", emptyDir: {} }
        : { name: "out", persistentVolumeClaim: { claimName: claim } },
    ],
  };
  const job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, labels },
    spec: { completionMode: "Indexed", completions: count, parallelism, template: { metadata: { labels }, spec: pod } },
  };
  const kept =
    claim === undefined ? "# An emptyDir is gone with its pod: give --claim to keep what comes of the points.\n" : "";
  return (
    `# Before it: kubectl create configmap ${name} --from-file=FOLDER, with the sweep, its scenario and manifests in one folder.\n` +
    kept +
    stringify(job, { aliasDuplicateObjects: false })
  );
}
