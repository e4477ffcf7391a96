package api_test

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/event"
)

// The fakes call one function per method. A test sets those that it expects to be called; a nil one
// panics, which the API answers with 500, so that an unexpected call fails the test.

type fakeCustomers struct {
	acceptCustomer func(ctx context.Context, raw []byte, key string) (customer.AcceptedCustomer, error)
	acceptOrder    func(ctx context.Context, raw []byte, key string) (customer.AcceptedOrder, error)
}

func (f *fakeCustomers) AcceptCustomer(ctx context.Context, raw []byte, key string) (customer.AcceptedCustomer, error) {
	return f.acceptCustomer(ctx, raw, key)
}

func (f *fakeCustomers) AcceptOrder(ctx context.Context, raw []byte, key string) (customer.AcceptedOrder, error) {
	return f.acceptOrder(ctx, raw, key)
}

type fakeRecords struct {
	list   func(ctx context.Context, f customer.Filter) (cursor.Page[customer.Record], error)
	get    func(ctx context.Context, id uuid.UUID) (customer.Detail, error)
	edit   func(ctx context.Context, id uuid.UUID, m customer.Match, raw []byte) (customer.Record, error)
	change func(ctx context.Context, verb string, id uuid.UUID) (customer.Record, error)
	orders func(ctx context.Context, f customer.OrderFilter) (cursor.Page[customer.OrderRecord], error)
	order  func(ctx context.Context, id uuid.UUID) (customer.OrderRecord, error)
	move   func(ctx context.Context, id uuid.UUID, to customer.OrderStatus) (customer.OrderRecord, error)
}

func (f *fakeRecords) List(ctx context.Context, q customer.Filter) (cursor.Page[customer.Record], error) {
	return f.list(ctx, q)
}

func (f *fakeRecords) Get(ctx context.Context, id uuid.UUID) (customer.Detail, error) {
	return f.get(ctx, id)
}

func (f *fakeRecords) Edit(ctx context.Context, id uuid.UUID, m customer.Match, raw []byte) (customer.Record, error) {
	return f.edit(ctx, id, m, raw)
}

func (f *fakeRecords) Deactivate(ctx context.Context, id uuid.UUID) (customer.Record, error) {
	return f.change(ctx, "deactivate", id)
}

func (f *fakeRecords) Erase(ctx context.Context, id uuid.UUID) (customer.Record, error) {
	return f.change(ctx, "erase", id)
}

func (f *fakeRecords) ListOrders(ctx context.Context, q customer.OrderFilter) (cursor.Page[customer.OrderRecord], error) {
	return f.orders(ctx, q)
}

func (f *fakeRecords) GetOrder(ctx context.Context, id uuid.UUID) (customer.OrderRecord, error) {
	return f.order(ctx, id)
}

func (f *fakeRecords) MoveOrder(ctx context.Context, id uuid.UUID, to customer.OrderStatus) (customer.OrderRecord, error) {
	return f.move(ctx, id, to)
}

type fakeSuppressions struct {
	list        func(ctx context.Context, f campaign.SuppressionFilter) (cursor.Page[campaign.Suppression], error)
	add         func(ctx context.Context, email, reason, principal string) (campaign.Suppression, bool, error)
	remove      func(ctx context.Context, email string) (bool, error)
	checkLink   func(token string) error
	unsubscribe func(ctx context.Context, token string) error
}

func (f *fakeSuppressions) List(ctx context.Context, q campaign.SuppressionFilter) (cursor.Page[campaign.Suppression], error) {
	return f.list(ctx, q)
}

func (f *fakeSuppressions) Add(ctx context.Context, email, reason, principal string) (campaign.Suppression, bool, error) {
	return f.add(ctx, email, reason, principal)
}

func (f *fakeSuppressions) Remove(ctx context.Context, email string) (bool, error) {
	return f.remove(ctx, email)
}

func (f *fakeSuppressions) CheckLink(token string) error { return f.checkLink(token) }

func (f *fakeSuppressions) Unsubscribe(ctx context.Context, token string) error {
	return f.unsubscribe(ctx, token)
}

type fakeSegments struct {
	create func(ctx context.Context, in campaign.SegmentInput) (campaign.Segment, error)
	update func(ctx context.Context, id uuid.UUID, in campaign.SegmentInput) (campaign.Segment, error)
	remove func(ctx context.Context, id uuid.UUID) ([]campaign.Ref, error)
	get    func(ctx context.Context, id uuid.UUID) (campaign.Segment, error)
	list   func(ctx context.Context) ([]campaign.Segment, error)

	listAfter func(ctx context.Context, after cursor.Position, limit int) (cursor.Page[campaign.Segment], error)

	count  func(ctx context.Context, rules json.RawMessage) (int, error)
	sample func(ctx context.Context, rules json.RawMessage, limit int) ([]campaign.SampleCustomer, error)
}

func (f *fakeSegments) Create(ctx context.Context, in campaign.SegmentInput) (campaign.Segment, error) {
	return f.create(ctx, in)
}

func (f *fakeSegments) Update(ctx context.Context, id uuid.UUID, in campaign.SegmentInput) (campaign.Segment, error) {
	return f.update(ctx, id, in)
}

func (f *fakeSegments) Delete(ctx context.Context, id uuid.UUID) ([]campaign.Ref, error) {
	return f.remove(ctx, id)
}

func (f *fakeSegments) Get(ctx context.Context, id uuid.UUID) (campaign.Segment, error) {
	return f.get(ctx, id)
}

func (f *fakeSegments) List(ctx context.Context) ([]campaign.Segment, error) { return f.list(ctx) }

func (f *fakeSegments) ListAfter(
	ctx context.Context, after cursor.Position, limit int,
) (cursor.Page[campaign.Segment], error) {
	return f.listAfter(ctx, after, limit)
}

func (f *fakeSegments) Count(ctx context.Context, rules json.RawMessage) (int, error) {
	return f.count(ctx, rules)
}

func (f *fakeSegments) Sample(ctx context.Context, rules json.RawMessage, limit int) ([]campaign.SampleCustomer, error) {
	return f.sample(ctx, rules, limit)
}

type fakeCampaigns struct {
	create      func(ctx context.Context, in campaign.CreateInput) (campaign.Campaign, error)
	get         func(ctx context.Context, id uuid.UUID) (campaign.Campaign, error)
	list        func(ctx context.Context, p campaign.PageRequest) (campaign.Page[campaign.Campaign], error)
	listAfter   func(ctx context.Context, after cursor.Position, limit int) (cursor.Page[campaign.Campaign], error)
	recent      func(ctx context.Context, limit int) ([]campaign.Campaign, error)
	rehearse    func(ctx context.Context, in campaign.CreateInput) (campaign.Rehearsal, error)
	launch      func(ctx context.Context, id uuid.UUID, m customer.Match) (campaign.Campaign, error)
	edit        func(ctx context.Context, id uuid.UUID, m customer.Match, change func(campaign.Campaign) (campaign.CreateInput, error)) (campaign.Campaign, error)
	remove      func(ctx context.Context, id uuid.UUID) error
	steer       func(ctx context.Context, verb string, id uuid.UUID) (campaign.Progress, error)
	setRate     func(ctx context.Context, id uuid.UUID, rate float64) (campaign.Progress, error)
	retryFailed func(ctx context.Context, id uuid.UUID) (campaign.Campaign, int, error)
}

func (f *fakeCampaigns) Create(ctx context.Context, in campaign.CreateInput) (campaign.Campaign, error) {
	return f.create(ctx, in)
}

func (f *fakeCampaigns) Get(ctx context.Context, id uuid.UUID) (campaign.Campaign, error) {
	return f.get(ctx, id)
}

func (f *fakeCampaigns) List(ctx context.Context, p campaign.PageRequest) (campaign.Page[campaign.Campaign], error) {
	return f.list(ctx, p)
}

func (f *fakeCampaigns) ListAfter(
	ctx context.Context, after cursor.Position, limit int,
) (cursor.Page[campaign.Campaign], error) {
	return f.listAfter(ctx, after, limit)
}

func (f *fakeCampaigns) Recent(ctx context.Context, limit int) ([]campaign.Campaign, error) {
	return f.recent(ctx, limit)
}

func (f *fakeCampaigns) Rehearse(ctx context.Context, in campaign.CreateInput) (campaign.Rehearsal, error) {
	return f.rehearse(ctx, in)
}

func (f *fakeCampaigns) LaunchIf(ctx context.Context, id uuid.UUID, m customer.Match) (campaign.Campaign, error) {
	return f.launch(ctx, id, m)
}

func (f *fakeCampaigns) EditDraft(
	ctx context.Context, id uuid.UUID, m customer.Match, change func(campaign.Campaign) (campaign.CreateInput, error),
) (campaign.Campaign, error) {
	return f.edit(ctx, id, m, change)
}

func (f *fakeCampaigns) DeleteDraft(ctx context.Context, id uuid.UUID) error {
	return f.remove(ctx, id)
}

func (f *fakeCampaigns) Duplicate(ctx context.Context, id uuid.UUID, _ string) (campaign.Campaign, error) {
	return f.get(ctx, id)
}

func (f *fakeCampaigns) Pause(ctx context.Context, id uuid.UUID) (campaign.Progress, error) {
	return f.steer(ctx, "pause", id)
}

func (f *fakeCampaigns) Resume(ctx context.Context, id uuid.UUID) (campaign.Progress, error) {
	return f.steer(ctx, "resume", id)
}

func (f *fakeCampaigns) Cancel(ctx context.Context, id uuid.UUID) (campaign.Progress, error) {
	return f.steer(ctx, "cancel", id)
}

func (f *fakeCampaigns) Progress(ctx context.Context, id uuid.UUID) (campaign.Progress, error) {
	return f.steer(ctx, "progress", id)
}

func (f *fakeCampaigns) SetRate(ctx context.Context, id uuid.UUID, rate float64) (campaign.Progress, error) {
	return f.setRate(ctx, id, rate)
}

func (f *fakeCampaigns) RetryFailed(ctx context.Context, id uuid.UUID) (campaign.Campaign, int, error) {
	return f.retryFailed(ctx, id)
}

type fakeLedger struct {
	entries func(ctx context.Context, f campaign.EntryFilter) (cursor.Page[campaign.Entry], error)
	find    func(ctx context.Context, campaignID, ref uuid.UUID) (campaign.EntryDetail, error)
}

func (f *fakeLedger) Entries(ctx context.Context, q campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
	return f.entries(ctx, q)
}

func (f *fakeLedger) Find(ctx context.Context, campaignID, ref uuid.UUID) (campaign.EntryDetail, error) {
	return f.find(ctx, campaignID, ref)
}

type fakeDashboard struct {
	rows func(ctx context.Context, p campaign.PageRequest) (campaign.Page[campaign.DashboardRow], error)
}

func (f *fakeDashboard) DashboardRows(
	ctx context.Context, p campaign.PageRequest,
) (campaign.Page[campaign.DashboardRow], error) {
	return f.rows(ctx, p)
}

type fakePublisher struct {
	publish func(ctx context.Context, receipts []event.Receipt) error
}

func (f *fakePublisher) PublishReceipts(ctx context.Context, receipts []event.Receipt) error {
	return f.publish(ctx, receipts)
}
