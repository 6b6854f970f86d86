package docker

import (
	"strconv"
	"time"

	"github.com/moby/moby/client"

	"devs-webhook/messages"
)

// The labels by which everything of ours is found again.
const (
	labelInstance   = "devs-webhook.instance"
	labelSlot       = "devs-webhook.slot"
	labelRepository = "devs-webhook.repository"
	labelTask       = "devs-webhook.task"
	labelAttempt    = "devs-webhook.attempt"
	labelCreated    = "devs-webhook.created"
	labelRunner     = "devs-webhook.runner" // short hash of the binary that a volume is for
)

// name is that of a slot's container and of its network.
func (r *Runtime) name(slot string) string { return "devs-" + r.opts.Instance + "-" + slot }

func (r *Runtime) volumeName(l messages.Launch) string {
	return r.name(l.Slot) + "-" + l.Attempt.String()
}

func (r *Runtime) slotLabels(slot string) map[string]string {
	return map[string]string{
		labelInstance: r.opts.Instance,
		labelSlot:     slot,
		labelCreated:  time.Now().UTC().Format(time.RFC3339),
	}
}

func (r *Runtime) attemptLabels(l messages.Launch) map[string]string {
	labels := r.slotLabels(l.Slot)
	labels[labelRepository] = l.Repo
	labels[labelTask] = string(l.Attempt.Task)
	labels[labelAttempt] = strconv.Itoa(l.Attempt.Number)
	return labels
}

// attemptOf is zero for what carries no full set of our labels.
func (r *Runtime) attemptOf(labels map[string]string) messages.AttemptRef {
	number, err := strconv.Atoi(labels[labelAttempt])
	if err != nil || labels[labelInstance] != r.opts.Instance || labels[labelTask] == "" {
		return messages.AttemptRef{}
	}
	return messages.AttemptRef{Task: messages.TaskID(labels[labelTask]), Number: number}
}

// ours filters for this installation's objects, all of them or those of one slot.
func (r *Runtime) ours(slot string) client.Filters {
	filter := make(client.Filters).Add("label", labelInstance+"="+r.opts.Instance)
	if slot != "" {
		filter.Add("label", labelSlot+"="+slot)
	}
	return filter
}
