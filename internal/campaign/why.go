package campaign

import (
	"fmt"
	"slices"
)

// Why says in one sentence why a customer did, or did not, get the message. It is a function of what is
// stored, and names nobody.
func Why(s MessageState, c Status) string {
	switch s.Status {
	case MessagePending:
		return whyPending(s, c)
	case MessageSkipped:
		return whySkipped(s.SkipReason)
	case MessageCancelled:
		return "Not sent: the campaign was cancelled " + beforeItsTurn(s) + "."
	case MessageSent:
		return whySent(c)
	case MessageFailed:
		return whyFailed(s)
	case MessageDelivered:
		return "Delivered: the vendor accepted the message and reported it delivered."
	}
	return fmt.Sprintf("The message is %s.", s.Status)
}

func whyPending(s MessageState, c Status) string {
	if c.Ended() {
		return fmt.Sprintf("Not sent: the campaign ended as %s %s.", c, beforeItsTurn(s))
	}
	if c == Paused {
		return "Not sent yet: the campaign is paused" + refusals(s) + "."
	}
	if s.Attempts == 0 {
		return "Not sent yet: the vendor has given no answer for it so far; its turn will come, or is under way."
	}
	return fmt.Sprintf("Not sent yet%s; it will be tried again, up to %d answers in all.", refusals(s), s.MaxAttempts)
}

// beforeItsTurn says how far a message had come that was not sent in the end.
func beforeItsTurn(s MessageState) string {
	if s.Attempts == 0 {
		return "before it was sent"
	}
	return "before the vendor accepted it" + refusals(s)
}

// refusals continues a sentence with what the vendor has answered so far.
func refusals(s MessageState) string {
	if s.Attempts == 0 {
		return ""
	}
	text := ", and the vendor has refused it for now " + times(s.Attempts)
	if s.Code != "" {
		text += ", last" + because(s.Code)
	}
	return text
}

func whySkipped(r SkipReason) string {
	switch r {
	case SkipNoEmail:
		return "Not sent: the customer had no e-mail address when the campaign started."
	case SkipSuppressed:
		return "Not sent: the address is suppressed; the customer unsubscribed, was erased, or must not be written to."
	case SkipRender:
		return "Not sent: the template could not be rendered for this customer."
	}
	return fmt.Sprintf("Not sent: it was skipped (%s).", r)
}

func whySent(c Status) string {
	if c.Ended() {
		return "Sent: the vendor accepted it, but no delivery receipt had come when the campaign ended; a late one still counts."
	}
	return "Sent: the vendor accepted it, and its delivery receipt is awaited."
}

func whyFailed(s MessageState) string {
	switch {
	case s.Code == CodeSendDeadline && s.Attempts == 0:
		return "Not sent: the vendor gave no answer until the campaign's send deadline."
	case s.Code == CodeSendDeadline:
		return fmt.Sprintf("Not sent: it was given up at the campaign's send deadline, after the vendor had refused it for now %s.",
			times(s.Attempts))
	case s.VendorRef != "":
		return "Not delivered: the vendor accepted it and later reported " + reported(s.Code) + "."
	case slices.Contains(RetryableCodes(), s.Code):
		return fmt.Sprintf("Not sent: the vendor refused it %s, the most that the campaign allows, last%s.",
			times(s.Attempts), because(s.Code))
	case s.Code == "":
		return "Not sent: the vendor refused it for good and named no reason."
	}
	return "Not sent: the vendor refused it for good" + because(s.Code) + "."
}

// because continues a sentence with a reason; the code stays beside the words, for it is what one
// searches for.
func because(code string) string {
	if text := codeText(code); text != "" {
		return " because " + text + " (" + code + ")"
	}
	return " because of " + code
}

// reported is what the vendor said after it had accepted a message.
func reported(code string) string {
	switch text := codeText(code); {
	case text != "":
		return "that " + text + " (" + code + ")"
	case code != "":
		return "a failure (" + code + ")"
	}
	return "a failure"
}

// codeText puts the vendor's code into words; "" for one that is not known.
func codeText(code string) string {
	return map[string]string{
		"RATE_LIMITED":      "its rate limit was exceeded",
		"TEMPORARY_FAILURE": "its service was unavailable for the moment",
		"QUOTA_EXCEEDED":    "the daily quota was used up",
		"SYSTEM_ERROR":      "it had a fault of its own",
		"INVALID_EMAIL":     "the address is not valid",
		"EMAIL_BOUNCED":     "the address bounced",
		"SPAM_DETECTED":     "the message was taken for spam",
		"INVALID_PAYLOAD":   "the request was not well-formed",
		"MISSING_EMAIL":     "the address was missing",
		"MISSING_MESSAGE":   "the text was missing",
		"KEY_REUSED":        "the message's key was used for another text",
	}[code]
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
