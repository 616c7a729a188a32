"""The command blocks of the portal's document, as they are in it, host name apart."""

HOST = "https://portal.xscalerlabs.com"

LOG_IN = """
export PORTAL_BASE="https://portal.xscalerlabs.com"
export JWT_TOKEN=$(curl -s -X POST $PORTAL_BASE/auth/login \\
-H "Content-Type: application/json" \\
-d '{"email":"training@example.com","password":"Training123!"}' | jq -r '.token')
"""
CREATE = """
curl -s -X POST $PORTAL_BASE/tenants \\
-H "Authorization: Bearer $JWT_TOKEN" \\
-H "Content-Type: application/json" \\
-d '{
"display_name": "Payment Service Production",
"environment": "prod"
}' | jq .
"""
LIST = """
curl -s $PORTAL_BASE/tenants \\
-H "Authorization: Bearer $JWT_TOKEN" | jq '.[].id'
"""
GET = """
curl -s $PORTAL_BASE/tenants/$TENANT_ID \\
-H "Authorization: Bearer $JWT_TOKEN" | jq .
"""
UPDATE = """
curl -s -X PATCH $PORTAL_BASE/tenants/$TENANT_ID \\
-H "Authorization: Bearer $JWT_TOKEN" \\
-H "Content-Type: application/json" \\
-d '{"display_name": "Payment Service EU Production"}' | jq .
"""
CREATE_KEY = """
KEY_RESPONSE=$(curl -s -X POST $PORTAL_BASE/tenants/$TENANT_ID/keys \\
-H "Authorization: Bearer $JWT_TOKEN" \\
-H "Content-Type: application/json" \\
-d '{"display_name": "k8s-prod-collector-1"}')
echo $KEY_RESPONSE | jq .
# Save the key immediately — it is only shown once
export API_KEY=$(echo $KEY_RESPONSE | jq -r '.key')
echo "API Key: $API_KEY"
"""
LIST_KEYS = """
curl -s $PORTAL_BASE/tenants/$TENANT_ID/keys \\
-H "Authorization: Bearer $JWT_TOKEN" | jq '.[] | {id, display_name, prefix, created_at}'
"""
REVOKE = """
# Get key ID first
KEY_ID=$(curl -s $PORTAL_BASE/tenants/$TENANT_ID/keys \\
-H "Authorization: Bearer $JWT_TOKEN" | jq -r '.[0].id')
# Revoke
curl -s -X DELETE $PORTAL_BASE/tenants/$TENANT_ID/keys/$KEY_ID \\
-H "Authorization: Bearer $JWT_TOKEN"
"""
SUMMARY = """
curl -s $PORTAL_BASE/dashboard/org/summary \\
-H "Authorization: Bearer $JWT_TOKEN" | jq '{
billing_plan: .billing_plan,
active_series: .org_active_series,
plan_max_series: .plan_max_active_series,
logs_gb_this_month: .org_logs_gb_ingested_this_month,
pct_used: (.org_active_series / .plan_max_active_series * 100 | floor)
}'
"""
USAGE = """
curl -s $PORTAL_BASE/dashboard/tenants/$TENANT_ID/usage \\
-H "Authorization: Bearer $JWT_TOKEN" | jq .
"""
EXERCISE = """
# Create three tenants (simulate multi-environment setup)
for ENV in prod staging dev; do
curl -s -X POST $PORTAL_BASE/tenants \\
-H "Authorization: Bearer $JWT_TOKEN" \\
-H "Content-Type: application/json" \\
-d "{\\"display_name\\": \\"Workshop Service $ENV\\", \\"environment\\": \\"$ENV\\"}" | jq '.id'
done
# List all tenants
curl -s $PORTAL_BASE/tenants \\
-H "Authorization: Bearer $JWT_TOKEN" | jq '.[].display_name'
# Create API keys for the prod tenant
PROD_TENANT=$(curl -s $PORTAL_BASE/tenants \\
-H "Authorization: Bearer $JWT_TOKEN" | jq -r '.[] | select(.environment=="prod") | .id' | head -1)
# Create active key
ACTIVE_KEY=$(curl -s -X POST $PORTAL_BASE/tenants/$PROD_TENANT/keys \\
-H "Authorization: Bearer $JWT_TOKEN" \\
-H "Content-Type: application/json" \\
-d '{"display_name": "active-collector-key"}' | jq -r '.key')
# Create backup key
BACKUP_KEY=$(curl -s -X POST $PORTAL_BASE/tenants/$PROD_TENANT/keys \\
-H "Authorization: Bearer $JWT_TOKEN" \\
-H "Content-Type: application/json" \\
-d '{"display_name": "backup-key"}' | jq -r '.key')
echo "Active: $ACTIVE_KEY"
echo "Backup: $BACKUP_KEY"
"""
PLAN = """
curl -s $PORTAL_BASE/dashboard/org/summary \\
-H "Authorization: Bearer $JWT_TOKEN" | jq .billing_plan
"""
