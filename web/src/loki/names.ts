// The names that Remora gives what it knows of a line.

/** Labels that live on the stream. */
export const STREAM_LABELS: ReadonlySet<string> = new Set([
  'service_name', 'job', 'RayCluster', 'namespace', 'node_type', 'group', 'component',
])

/** Structured metadata of single lines. */
export const METADATA: ReadonlySet<string> = new Set([
  'detected_level', 'session', 'filename', 'stream', 'offset', 'entry', 'node_id', 'node_ip', 'pod', 'container', 'owner', 'pid', 'worker_id', 'job_id',
  'submission_id', 'actor_id', 'actor_name', 'task_id', 'task_name', 'attempt', 'application', 'deployment', 'replica', 'request_id',
])
