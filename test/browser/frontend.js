// What the pages of the existing frontend do, run by the browser in a page of another origin than the API's: no look
// at a status, every answer read as JSON, the cookie sent along. They throw where those pages would break.

async function ask(api, path, method = 'GET', body = undefined) {
  const response = await fetch(api + path, {
    method, credentials: 'include',
    ...(body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  })
  return response.json()
}

async function must(api, path, method, body) {
  const result = await ask(api, path, method, body)
  if (!result.success) throw new Error(`${method ?? 'GET'} ${path}: ${result.error}`)
  return result
}

const rule = (field, operator, value) => ({ id: `rule_${field}`, field, operator, value })
const spenders = [
  { id: 'group_1', operator: 'AND', rules: [rule('total_spend', '>', 0), rule('total_orders', '>=', 1)] },
  { id: 'group_2', operator: 'OR', rules: [rule('days_since_last_order', '<=', 30)] },
]

// journey goes through the pages as a marketer does: segments, campaigns, statistics, dashboard.
export async function journey(api, name) {
  await must(api, '/api/segments')
  const preview = await must(api, '/api/segments/preview', 'POST', { rules: spenders })
  const { data: saved } = await must(api, '/api/segments', 'POST', { name, description: '', rules: spenders })
  const { data: segments } = await must(api, '/api/segments')
  const campaign = await must(api, '/api/campaigns', 'POST', {
    name, segment_id: saved.segment_id, message_template: 'Hi {{name}}', campaign_type: 'PROMOTIONAL', created_by: 'unknown',
  })
  return {
    matched: `${preview.count.toLocaleString('en-IN')} customers match`,
    ruleIds: segments.find((s) => s.segment_id === saved.segment_id).rules.map((g) => [g.id, ...g.rules.map((r) => r.id)]),
    inUse: await ask(api, `/api/segments/${saved.segment_id}`, 'DELETE'),
    createdBy: saved.created_by,
    campaignId: campaign.data.campaign_id,
    banner: `${campaign.data.total_customers} customers`,
    status: await untilEnded(api, campaign.data.campaign_id),
    statistics: await statistics(api, name),
    dashboard: await dashboard(api),
  }
}

// untilEnded polls as a page does that shows how far a campaign is.
async function untilEnded(api, id) {
  for (let tries = 0; tries < 120; tries++) { // half a minute; such a campaign takes a second
    const { data } = await must(api, `/api/campaigns/${id}`)
    if (['COMPLETED', 'FAILED', 'CANCELLED'].includes(data.status)) return data.status
    await new Promise((done) => setTimeout(done, 250))
  }
  return 'the campaign does not end'
}

// statistics is the row that the page of campaign statistics shows.
async function statistics(api, name) {
  const { data } = await must(api, '/api/campaignstats')
  const row = data.find((c) => c.name === name)
  const { total_delivered: delivered, total_failed: failed } = row.campaign_stats
  return {
    target: row.target_audience_count.toLocaleString(), status: row.status.toLowerCase(),
    settled: delivered + failed, dated: !Number.isNaN(new Date(row.created_at).getTime()) && row.created_at.endsWith('Z'),
  }
}

// dashboard is its four cards, as the page reckons them.
async function dashboard(api) {
  const { data } = await must(api, '/api/dashapi')
  return {
    letters: data.map((row) => row.name.charAt(0) + row.status.toLowerCase()).length,
    revenue: data.reduce((sum, row) => sum + parseFloat(row.total_spend), 0),
    orders: data.reduce((sum, row) => sum + row.total_orders, 0).toLocaleString(),
  }
}

// follow reads a campaign's live events to their end.
export function follow(api, id) {
  return new Promise((done, fail) => {
    const events = new EventSource(`${api}/api/campaigns/${id}/events`, { withCredentials: true })
    events.onerror = () => fail(new Error('the stream broke'))
    events.addEventListener('end', (event) => {
      events.close()
      done(JSON.parse(event.data))
    })
  })
}

// conditional reads a segment's ETag and edits under it, twice: the second has an old version.
export async function conditional(api, name) {
  const { data } = await must(api, '/api/segments', 'POST', { name, rules: spenders })
  const url = `${api}/api/segments/${data.segment_id}`
  const etag = (await fetch(url, { credentials: 'include' })).headers.get('ETag')
  const edit = () => fetch(url, {
    method: 'PUT', credentials: 'include', body: JSON.stringify({ name: `${name}, edited`, rules: spenders }),
    headers: { 'Content-Type': 'application/json', 'If-Match': etag, 'Idempotency-Key': crypto.randomUUID() },
  })
  return { etag, statuses: [(await edit()).status, (await edit()).status] }
}

// attempt makes one request and says what the page learns of it: the status, or that the browser kept it back.
export async function attempt(url, options = {}) {
  try {
    const response = await fetch(url, { credentials: 'include', ...options })
    return { type: response.type, status: response.status, text: await response.text() }
  } catch (err) {
    return { refused: err.name }
  }
}
