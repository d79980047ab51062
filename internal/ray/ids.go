package ray

// JobOfTask is the job id inside a task id (its last 4 bytes); "" where id is none.
func JobOfTask(taskID string) string { return "" }

// ActorOfTask is the actor id inside a task id; "" for a task of no actor.
func ActorOfTask(taskID string) string { return "" }

// JobOfActor is the job id inside an actor id; "" where id is none.
func JobOfActor(actorID string) string { return "" }

// JobOfDriver is the job id inside the worker id of a driver; "" for a worker.
func JobOfDriver(workerID string) string { return "" }
