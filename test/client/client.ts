// A program against the generated types: it has to compile. What it says of the API is said in types, so that
// a change that breaks clients breaks this.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Campaign = components["schemas"]["CampaignView"];
type Problem = components["schemas"]["Problem"];

const api = createClient<paths>({ baseUrl: "http://127.0.0.1:8080", headers: { Authorization: "Bearer xcrm_" } });

export async function launch(segment: string): Promise<string> {
  const { data, error } = await api.POST("/api/campaigns", {
    params: { header: { "Idempotency-Key": "diwali-2025" } },
    body: { name: "Diwali", segment_id: segment, message_template: "Hi {{ name }}", rate: 50 },
  });
  if (error) {
    const problem: Problem = error;
    throw new Error(`${problem.type}: ${problem.detail}`);
  }
  return data.data.campaign_id;
}

export async function running(): Promise<Campaign[]> {
  const { data } = await api.GET("/api/campaigns", { params: { query: { limit: 10 } } });
  return (data?.data ?? []).filter((c) => c.status === "ACTIVE");
}

export async function rename(id: string, version: string, name: string): Promise<number> {
  const { response } = await api.PATCH("/api/customers/{id}", {
    params: { path: { id }, header: { "If-Match": version } },
    body: { name },
  });
  return response.status;
}

export async function undelivered(id: string): Promise<string[]> {
  const { data } = await api.GET("/api/campaigns/{id}/messages", {
    params: { path: { id }, query: { status: "FAILED" } },
  });
  return (data?.data ?? []).map((m) => m.failure_code ?? m.status);
}
