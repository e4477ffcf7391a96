package main

// mutations are the known-bad builds. Each is a mistake that real systems make.
func mutations() []mutation {
	all := brokerMistakes()
	all = append(all, sendMistakes()...)
	all = append(all, bookMistakes()...)
	all = append(all, fileMistakes()...)
	return append(all, workflowMistakes()...)
}

// fileMistakes lose rows of a file that was acknowledged.
func fileMistakes() []mutation {
	return []mutation{{
		name: "forget-the-rest-of-a-file", why: "what is left after the last full batch is answered for and not stored",
		edits: []edit{{"internal/bulk/service.go", "if !rows.empty() {", "if rows.full() {"}},
		under: []string{"crash/import.after_apply@1"},
		by:    []string{"I1"},
	}}
}

// brokerMistakes lose or repeat what crosses the broker.
func brokerMistakes() []mutation {
	return []mutation{
		{
			name: "ack-before-commit", why: "a crash between the acknowledgement and the commit loses the message",
			edits: []edit{{
				"internal/rabbit/middleware.go", "	settled, failed := w.together(ctx, fresh)\n",
				"	if err := s.ack(fresh); err != nil {\n		return nil, false, err\n	}\n	settled, failed := w.together(ctx, fresh)\n",
			}},
			under: []string{"crash/consume.received@2", "crash/consume.after_effect@3"},
			by:    []string{"I1", "I7", "I12"},
		},
		{
			name: "inbox-outside-the-transaction", why: "what a crash rolls back counts as done when it comes again",
			edits: []edit{{
				"db/master/orders.go", "admit(ctx, q, consumerOrders, metas)", "admit(ctx, s.q, consumerOrders, metas)",
			}},
			under: []string{"crash/consume.after_inbox@4", "crash/consume.after_effect@4"},
			by:    []string{"I1"},
		},
		{
			name: "no-confirm-wait", why: "a message that the broker never took counts as published",
			edits: []edit{{
				"internal/rabbit/publish_session.go", "results[i] = s.outcome(ctx, ms[i].ID, w)", "results[i] = w.err",
			}},
			under: []string{"lost/amqp/publish@1", "rabbitmq/kill/ingest"},
			by:    []string{"I1", "I7", "L1"},
		},
		{
			name: "ignore-basic-return", why: "the broker confirms also what it has no queue for",
			edits: []edit{{
				"internal/rabbit/publish_session.go", "if s.wasReturned(id) {", "if s.wasReturned(id) && id == \"\" {",
			}},
			under: []string{"rabbitmq/delete-binding/order_ingestion_queue", "rabbitmq/delete-binding/customer_mv_queue"},
			by:    []string{"I1", "I7"},
		},
		{
			name: "cursor-relay", why: "ids are handed out before commit, so a late committer is passed over",
			edits: []edit{{
				"db/internal/mastersql/outbox.sql.go", "WHERE published_at IS NULL AND parked_at IS NULL AND not_before <= now()\nORDER BY id",
				"WHERE published_at IS NULL AND parked_at IS NULL AND not_before <= now()\n" +
					"  AND id > coalesce((SELECT max(p.id) FROM outbox_events p WHERE p.published_at IS NOT NULL), 0)\nORDER BY id",
			}},
			under: []string{"slow/consume.after_effect@3", "slow/consume.after_effect@1"},
			by:    []string{"I6", "I7", "L1"},
		},
		{
			name: "no-resubscribe", why: "a consumer whose connection was closed never comes back",
			edits: []edit{{"internal/rabbit/consumer.go", "		redial.pause(ctx)\n", "		<-ctx.Done()\n"}},
			under: []string{"rabbitmq/close-connections/ingest"},
			by:    []string{"L1"},
		},
		{
			name: "dedupe-forgets", why: "a copy that comes after a crash is taken for a new order",
			edits: []edit{
				{
					"db/master/apply.go", "	for _, id := range inserted {\n",
					"	for id := range first {\n		inserted = append(inserted, id)\n	}\n	for _, id := range inserted {\n",
				},
				{
					"db/master/orders.go", "known := l.named[orderName{p.Input.Source, *id}]; known != nil",
					"known := l.named[orderName{p.Input.Source, *id}]; known != nil && l.named == nil",
				},
			},
			under: []string{"crash/consume.after_commit@3"},
			by:    []string{"I3", "I4", "I19", "L1"},
		},
		{
			name: "drop-poison", why: "what cannot be processed vanishes instead of going to the quarantine",
			edits: []edit{{
				"internal/rabbit/middleware.go", "	if err := w.cfg.Quarantine.Park(parkCtx, it.Delivery, reasonText(reason)); err != nil {",
				"	if err := parkCtx.Err(); err != nil {",
			}},
			under: []string{"poison"},
			by:    []string{"I19"},
		},
	}
}

// sendMistakes write to somebody twice, or not as agreed.
func sendMistakes() []mutation {
	const file = "activities/send.go"
	return []mutation{
		{
			name: "key-per-attempt", why: "the vendor cannot tell a repeat from a new message",
			edits: []edit{
				{
					file, "IdempotencyKey: key, CommunicationID: key,",
					"IdempotencyKey: key + start.Format(\"150405.000000\"), CommunicationID: key,",
				},
				// Whoever makes new keys counts attempts himself: to the vendor each one is the first.
				{file, "res.VendorRef, res.Answer", "res.VendorRef, 0"},
				{file, "verr.Text, verr.Answer", "verr.Text, 0"},
			},
			under: []string{"vendor/drops-after/send-50", "lost/send.after_http@20"},
			by:    []string{"I10", "I10'", "I11", "oracle"},
		},
		{
			name: "rerender-on-retry", why: "the same key with another body is refused",
			edits: []edit{{file, "Body: m.Body, CampaignName", "Body: m.Body + start.Format(\" 05.000000\"), CampaignName"}},
			under: []string{"vendor/drops-after/send-50"},
			by:    []string{"I10'", "I11", "oracle"},
		},
		{
			name: "no-rank-guard", why: "the answer that comes after the receipt takes the delivery back",
			edits: []edit{{"internal/campaign/message.go", "	if to.rank() <= s.Status.rank() {\n", "	if to == s.Status {\n"}},
			under: []string{"vendor/receipt-first/send-50"},
			by:    []string{"I13", "I14", "oracle", "L1"},
		},
		{
			name: "late-failure-rearms", why: "a failure that a receipt reports sends the message again",
			edits: []edit{{
				"internal/campaign/message.go", "		s = s.raise(MessageFailed)\n		s.Code, s.Reason = r.Code, r.Reason\n",
				"		s.Status = MessagePending\n		s.Code, s.Reason = r.Code, r.Reason\n",
			}},
			under: []string{"no fault"},
			by:    []string{"I13", "I14", "oracle", "L1"},
		},
	}
}

// bookMistakes let the books and the ledger part.
func bookMistakes() []mutation {
	return []mutation{
		{
			name: "stats-outside-the-transaction", why: "a crash leaves the books changed and the ledger not",
			edits: []edit{{
				"db/business/receipts.go", "if books, err = writeBooks(ctx, q, deltas); err != nil {",
				"if books, err = writeBooks(ctx, s.q, deltas); err != nil {",
			}},
			under: []string{"no fault", "crash/receipt.after_stats@2"},
			by:    []string{"I14", "I15", "L1"},
		},
		{
			name: "count-every-copy", why: "each copy of a receipt is counted",
			edits: []edit{
				{
					"db/business/messages.go", "		if r.from == r.to && !r.isAnswer {\n			continue\n		}\n",
					"		if r.from == r.to && !r.isAnswer {\n			d := deltas[r.campaignID]\n			d.Sent++\n" +
						"			deltas[r.campaignID] = d\n			continue\n		}\n",
				},
			},
			under: []string{"no fault"},
			by:    []string{"I14", "I15", "L1"},
		},
		{
			name: "float-money", why: "a float cannot hold a sum of money",
			edits: []edit{{
				"internal/customer/customer.go", "	c.TotalSpend = c.TotalSpend.Add(amount)\n",
				"	c.TotalSpend = decimal.NewFromFloat32(float32(c.TotalSpend.InexactFloat64()) + float32(amount.InexactFloat64()))\n",
			}},
			under: []string{"no fault"},
			by:    []string{"I4"},
		},
		{
			name: "audience-differs-from-preview", why: "preview and launch evaluate the rules each in their own way",
			edits: []edit{{
				"db/business/audience.go", "		WHERE ` + where + ` ORDER BY ` + unreachable",
				"		WHERE c.email NOT LIKE 'c19%' AND ` + where + ` ORDER BY ` + unreachable",
			}},
			under: []string{"no fault"},
			by:    []string{"I8", "oracle"},
		},
	}
}

// workflowMistakes orchestrate wrongly.
func workflowMistakes() []mutation {
	return []mutation{
		{
			name: "close-with-sends-in-flight", why: "a campaign is closed while messages are under way",
			edits: []edit{
				{
					"workflows/lane.go", "		if l.inFlight == 0 && (l.stopping(ctx) || l.isDone() || abandoned(ctx)) {\n",
					"		if l.stopping(ctx) || l.isDone() {\n",
				},
				{"workflows/options.go", "sendPasses = 3", "sendPasses = 1"},
				{
					"db/business/books.go", "		if err := campaign.CheckBooks(books, ledgerOf(ledger)); err != nil {\n			return err\n		}\n",
					"		_ = ledger\n",
				},
				{
					"workflows/campaign.go", "	return c.state.Cancelled || c.state.Totals.Settled() ||",
					"	return c.state.Phase != \"\" || c.state.Totals.Settled() ||",
				},
			},
			under: []string{"no fault", "vendor/500-before/send-50"},
			by:    []string{"I17", "oracle", "I14"},
		},
		{
			name: "count-signals", why: "a workflow that counts what it is told, instead of reading the books, waits for what was lost",
			edits: []edit{
				{
					"workflows/control.go", "		c.state.Totals = c.state.Totals.Newer(t)\n		c.show(ctx)\n",
					"		c.state.Totals.Delivered++\n		c.show(ctx)\n",
				},
				{"workflows/campaign.go", "Timeout: min(wait, remaining)", "Timeout: max(wait, remaining)"},
			},
			under: []string{"no fault"},
			by:    []string{"L1"},
		},
		{
			name: "cursor-of-the-last-fetched", why: "what was fetched and not sent is passed over after a pause",
			edits: []edit{
				{
					"workflows/lane.go",
					"		due, ok := l.pace.plan(1, workflow.Now(ctx))\n		if !ok {\n			l.setTimer(ctx, sel)\n			return nil\n" +
						"		}\n		l.advance(seq)\n",
					"		l.advance(seq)\n		due, ok := l.pace.plan(1, workflow.Now(ctx))\n		if !ok {\n			l.setTimer(ctx, sel)\n" +
						"			return nil\n		}\n",
				},
				{"workflows/options.go", "sendPasses = 3", "sendPasses = 1"},
			},
			under: []string{"no fault"},
			by:    []string{"L1", "oracle", "I17", "I17'"},
		},
	}
}
