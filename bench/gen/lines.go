package gen

import (
	"strconv"
)

// Texts of which lines are made. In a text %d is a number, %w a worker id, %n the
// node id, %t a task id, %a an actor id, %o an object id, %j a job id, %f a
// fraction, %u a word, %r a request id.
var (
	classes = []string{"TrainWorker", "ReplayBuffer", "ParameterServer", "Evaluator"}
	tasks   = []string{"preprocess", "train_shard", "evaluate", "reduce_metrics", "load_parquet", "write_checkpoint"}
	words   = []string{
		"shard", "batch", "tensor", "gradient", "replica", "checkpoint", "tokenizer", "embedding", "dataset", "partition", "optimizer",
		"scheduler", "worker", "pipeline", "bucket", "manifest", "snapshot", "transform", "feature", "vocabulary", "cluster", "queue",
	}

	rayletSays = []string{
		"node_manager.cc:%d: Leasing worker %w for lease request, job id = %j, resources {CPU: %f, memory: %d}, backlog %d",
		"worker_pool.cc:%d: Started worker process with pid %d, the token is %d, language PYTHON, job %j",
		"local_resource_manager.cc:%d: Allocated {CPU: %f} to %w on node %n, %d instances left free",
		"local_object_manager.cc:%d: Restored object %o of %d bytes in %d ms, pinned objects %d, spilled %d MiB at %d MiB/s",
		"object_manager.cc:%d: Pull of object %o from node %n finished after %d chunks",
		"accessor.cc:%d: Received notification for node, IsAlive = 1 node_id=%n",
		"node_manager.cc:%d: Disconnecting worker, graceful=true, disconnect_type=%d, has_creation_task_exception=false worker_id=%w job_id=%j",
	}
	gcsSays = []string{
		"gcs_actor_manager.cc:%d: Registering actor job_id=%j actor_id=%a",
		"gcs_actor_manager.cc:%d: Actor created successfully, worker %w at node %n job_id=%j actor_id=%a",
		"gcs_worker_manager.cc:%d: Reporting worker exit, worker id = %w, node id = %n, address = 10.0.0.11, exit_type = INTENDED_SYSTEM_EXIT, exit_detail = Worker exits because it was idle for %d ms.",
		"gcs_job_manager.cc:%d: Finished marking job state, job id = %j after %d ms",
		"gcs_placement_group_manager.cc:%d: Created placement group with %d bundles in %d ms on node %n",
		"gcs_actor_scheduler.cc:%d: Start creating actor on worker %w at node %n job_id=%j actor_id=%a",
	}
	coreSays = []string{
		"core_worker.cc:%d: Task execution finished, task %t took %d us, returned %d objects",
		"task_manager.cc:%d: Task attempt %t completed, %d bytes inlined",
		"reference_counter.cc:%d: Object %o went out of scope, borrowed by %d workers",
		"core_worker.cc:%d: Adjusted worker niceness to %d",
		"actor_task_submitter.cc:%d: Set actor max pending calls to %d actor_id=%a",
		"normal_task_submitter.cc:%d: Requesting a lease from raylet %n for task %t, %d waiting in the queue",
		"accessor.cc:%d: Received notification for node, IsAlive = 1 node_id=%n",
	}
	dashboardSays = []string{
		"web_log.py:%d -- 10.0.0.11 [GET] '/api/v0/tasks?detail=1&limit=%d' HTTP/1.1 200 bytes %d '-' 'python-requests/2.32.3' %d us",
		"process_watcher.py:%d -- raylet pid is %d",
		"job_manager.py:%d -- Job raysubmit_%r is RUNNING, its driver has pid %d on node %n",
		"reporter_agent.py:%d -- Sent %d metrics of %d workers in %f s",
		"event_utils.py:%d -- Found %d new events in /tmp/ray/" + Session + "/logs/events/event_RAYLET.log",
	}
	logMonitorSays = []string{"log_monitor.py:%d -- Beginning to track file worker-%w-%j-%d.out", "log_monitor.py:%d -- Beginning to track file worker-%w-%j-%d.err"}
	runtimeEnvSays = []string{
		`runtime_env_agent.py:%d -- Creating runtime env: {"env_vars": {"OMP_NUM_THREADS": "%d", "RUN": "%u-%d"}, "working_dir": "gcs://_ray_pkg_%r.zip"} with timeout %d seconds.`,
		"runtime_env_agent.py:%d -- Successfully created runtime env in %d ms, the context is kept for job %j",
	}
	dataSays = []string{
		"streaming_executor.py:%d -- Operator MapBatches(%u)->Write finished. Operator has %d rows, %d bytes in %d blocks",
		"streaming_executor_state.py:%d -- Running: %d tasks, queued blocks %d, object store %d MiB of %d MiB",
	}
	userSays = []string{
		"epoch %d step %d loss=%f lr=%f grad_norm=%f throughput=%d tokens/s",
		"reading s3://training-data/%u/part-%d.parquet (%d rows, %d bytes) into %u %d",
		"%u %u: wrote %d rows to /mnt/cluster_storage/%u/%d in %f s",
		"cache hit ratio %f after %d lookups of %u, evicted %d entries of %u",
		"[%u] request %r took %f ms, queue %d, batch %d",
		"step=%d reward_mean=%f reward_max=%f episodes=%d policy=%u kl=%f entropy=%f",
	}
	serveSays = []string{"GET /v1/%u 200 %fms", "POST /v1/%u/predict 200 %fms", "CALL __call__ OK %fms", "POST /v1/%u/predict 500 %fms", "CALL get OK %fms"}
	ctlSays   = []string{
		"Adding %d replicas to Deployment(name='Price', app='shop').",
		"Replica(id='%u%d', deployment='Price', app='shop') started successfully on node '%n' after %fs (PID: %d).",
		"Upscaling Deployment(name='Front', app='shop') from %d to %d replicas. Current ongoing requests: %f, current running replicas: %d.",
	}
)

func pick[T any](l *Writer, from []T) T { return from[l.rng.IntN(len(from))] }

// say writes a text with its places filled in.
func (l *Writer) say(dst []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			dst = append(dst, text[i])
			continue
		}
		i++
		switch text[i] {
		case 'd':
			dst = strconv.AppendUint(dst, l.rng.Uint64()>>(40+l.rng.IntN(22)), 10)
		case 'f':
			dst = strconv.AppendFloat(dst, float64(l.rng.IntN(1<<20))/1e4, 'f', 4, 64)
		case 'w':
			dst = append(dst, pick(l, l.workers).id...)
		case 'n':
			dst = append(dst, l.node...)
		case 't':
			dst = append(dst, pick(l, l.tasks)...)
		case 'a':
			dst = append(dst, pick(l, l.actors)...)
		case 'o':
			dst = append(dst, pick(l, l.objects)...)
		case 'j':
			dst = append(dst, pick(l, l.workers).job...)
		case 'u':
			dst = append(dst, pick(l, words)...)
		case 'r':
			dst = l.request(dst)
		}
	}
	return dst
}

// request appends an id as Serve gives one to each request.
func (l *Writer) request(dst []byte) []byte {
	a, b := l.rng.Uint64(), l.rng.Uint64()
	for i := range 36 {
		switch i {
		case 8, 13, 18, 23:
			dst = append(dst, '-')
		default:
			dst = append(dst, "0123456789abcdef"[a&15])
			a = a>>4 | b<<60
			b >>= 4
		}
	}
	return dst
}

// level gives mostly info.
func (l *Writer) level() int {
	switch n := l.rng.IntN(1000); {
	case n < 4:
		return 2
	case n < 30:
		return 1
	default:
		return 0
	}
}

// stamp appends the time with that many digits behind the comma.
func (l *Writer) stamp(dst []byte, digits int) []byte {
	layout := "2006-01-02 15:04:05,000000"
	return l.now.AppendFormat(dst, layout[:len(layout)-6+digits])
}

func number(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }

// cppRecord is a line of a C++ process; core workers name no component.
func cppRecord(component string, says []string) func(*Writer, []byte) []byte {
	if component != "" {
		component = "(" + component + ") "
	}
	return func(l *Writer, dst []byte) []byte {
		dst = l.stamp(append(dst, '['), 3)
		dst = append(dst, ' ', "IWE"[l.level()], ' ')
		dst = number(dst, l.pid)
		dst = append(dst, ' ')
		dst = number(dst, l.pid+l.rng.IntN(3))
		dst = append(dst, "] "...)
		dst = append(dst, component...)
		dst = l.say(dst, pick(l, says))
		return append(dst, '\n')
	}
}

// pythonRecord is a line of a Python component of Ray.
func pythonRecord(says []string) func(*Writer, []byte) []byte {
	levels := []string{"\tINFO ", "\tWARNING ", "\tERROR "}
	return func(l *Writer, dst []byte) []byte {
		dst = l.stamp(dst, 3)
		dst = append(dst, levels[l.level()]...)
		dst = l.say(dst, pick(l, says))
		return append(dst, '\n')
	}
}

// monitorRecord is the autoscaler's status, lines that continue the first.
func monitorRecord(l *Writer, dst []byte) []byte {
	dst = l.stamp(dst, 3)
	dst = append(dst, "\tINFO autoscaler.py:469 -- The autoscaler took 0.001 seconds to complete the update iteration.\n"...)
	dst = l.stamp(dst, 3)
	dst = append(dst, "\tINFO autoscaler.py:419 -- \n======== Autoscaler status: "...)
	dst = l.stamp(dst, 6)
	return l.say(dst, ` ========
Node status
---------------------------------------------------------------
Active:
 1 node_%n
Pending:
 (no pending nodes)
Recent failures:
 (no failures)

Resources
---------------------------------------------------------------
Total Usage:
 %f/64.0 CPU
 %dB/128.00GiB memory
 %dB/38.00GiB object_store_memory

Total Demands:
 {'CPU': 1.0}: %d+ pending tasks/actors
`)
}

// serveRecord is a line of Serve.
func serveRecord(who string, requests bool) func(*Writer, []byte) []byte {
	levels := []string{"INFO ", "WARNING ", "ERROR "}
	return func(l *Writer, dst []byte) []byte {
		dst = append(dst, levels[l.level()]...)
		dst = l.stamp(dst, 3)
		dst = append(append(append(dst, ' '), who...), ' ')
		if !requests || l.rng.IntN(50) == 0 {
			return append(l.say(append(dst, "-- "...), pick(l, ctlSays)), '\n')
		}
		dst = append(l.request(dst), " -- "...)
		return append(l.say(dst, pick(l, serveSays)), '\n')
	}
}

// eventRecord is a line of an event file.
func eventRecord(source string) func(*Writer, []byte) []byte {
	return func(l *Writer, dst []byte) []byte {
		dst = l.say(dst, `{"custom_fields":{"job_id":"%j","node_id":"%n","worker_id":"%w"},"event_id":"%r","host_name":"ray-head","label":"RAY_WORKER_FAILURE","message":"A worker died or was killed while executing a task by an unexpected system error. Worker ID: %w Node ID: %n Worker IP address: 10.0.0.11 Worker PID: %d","pid":"21","severity":"ERROR","source_hostname":"ray-head","source_pid":21,"source_type":"`)
		dst = append(append(dst, source...), `","timestamp":`...)
		dst = strconv.AppendInt(dst, l.now.Unix(), 10)
		return append(dst, "}\n"...)
	}
}

// supervisorRecord is a line of a job's supervisor, structured text.
func supervisorRecord(id string) func(*Writer, []byte) []byte {
	return func(l *Writer, dst []byte) []byte {
		dst = l.stamp(dst, 3)
		dst = append(dst, "\tINFO job_supervisor.py:375 -- Job "...)
		dst = append(dst, id...)
		return l.ids(append(dst, " is still running"...), "JobSupervisor.run")
	}
}

// ids appends what Ray's structured text carries at the end of a line.
func (l *Writer) ids(dst []byte, task string) []byte {
	dst = l.say(dst, " job_id=%j worker_id=")
	dst = append(dst, l.work.id...)
	dst = l.say(dst, " node_id=%n task_id=%t task_name=")
	dst = append(append(append(append(dst, task...), " task_func_name=jobs."...), task...), " timestamp_ns="...)
	return append(strconv.AppendInt(dst, l.now.UnixNano(), 10), '\n')
}

// userRecord is what user code prints: with the magic line that Ray puts before
// each task.
func userRecord(l *Writer, dst []byte) []byte {
	l.n++
	if l.work.actor == "" && l.n%40 == 1 {
		dst = append(append(append(dst, ":task_name:"...), tasks[l.n/40%len(tasks)]...), '\n')
	}
	return userLine(l, dst)
}

func userLine(l *Writer, dst []byte) []byte {
	levels := []string{"INFO", "WARNING", "ERROR"}
	switch n := l.rng.IntN(100); {
	case n < 38:
		return append(l.say(dst, pick(l, userSays)), '\n')
	case n < 60:
		dst = l.stamp(dst, 3)
		dst = append(append(append(dst, " - "...), levels[l.level()]...), " - trainer.loop - "...)
		return append(l.say(dst, pick(l, userSays)), '\n')
	case n < 78:
		dst = l.stamp(dst, 3)
		dst = append(append(append(dst, '\t'), levels[l.level()]...), " train.py:88 -- "...)
		return l.ids(l.say(dst, pick(l, userSays)), tasks[l.n/40%len(tasks)])
	case n < 99:
		dst = append(dst, `{"asctime": "`...)
		dst = l.stamp(dst, 3)
		dst = append(append(append(dst, `", "levelname": "`...), levels[l.level()]...), `", "message": "`...)
		dst = l.say(dst, pick(l, userSays))
		return append(l.say(dst, `", "filename": "train.py", "lineno": %d, "process": %d, "job_id": "%j", "node_id": "%n"}`), '\n')
	default:
		return append(l.say(dst, `Traceback (most recent call last):
  File "/app/train.py", line %d, in step
    batch = self.%u.next(timeout=%d)
  File "/app/%u.py", line %d, in next
    raise TimeoutError(f"no %u within {timeout} s")
TimeoutError: no %u within %d s`), '\n')
	}
}

// userErrRecord is what libraries of user code print to standard error.
func userErrRecord(l *Writer, dst []byte) []byte {
	l.n++
	if l.work.actor == "" && l.n%40 == 1 {
		dst = append(append(append(dst, ":task_name:"...), tasks[l.n/40%len(tasks)]...), '\n')
	}
	return append(l.say(dst, "/usr/lib/python3/dist-packages/%u/%u.py:%d: UserWarning: %u of %d %u entries fell back to the slow path (%f %% of them)"), '\n')
}

// driverRecord is the driver's own output with the copies of its workers' lines.
func driverRecord(l *Writer, dst []byte) []byte {
	if l.rng.IntN(3) > 0 {
		dst = append(append(dst, "\x1b[36m("...), tasks[l.rng.IntN(len(tasks))]...)
		dst = l.say(dst, " pid=%d)\x1b[0m ")
	}
	return userLine(l, dst)
}
