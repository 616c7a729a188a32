"""The command blocks of ChatAPI's document, as they are in it, host name apart; and the answer that it shows."""

HOST = "http://localhost:8080"
MASTER_KEYS = ("your-master-key-here", "your-master-key")

CREATE = """
curl -X POST http://localhost:8080/admin/tenants \\
-H "X-Master-Key: your-master-key-here" \\
-H "Content-Type: application/json" \\
-d '{"name": "MyCompany"}'
"""
ANSWER = {
    "tenant_id": "tenant_abc123",
    "api_key": "sk_abc123def456ghi789jkl012mno345pqr678stu901vwx",
    "name": "MyCompany",
    "created_at": "2025-12-13T12:00:00Z",
}
ROOMS = """
curl -X POST http://localhost:8080/rooms \\
-H "X-API-Key: $CHATAPI_KEY" \\
-H "X-User-Id: testuser" \\
-H "Content-Type: application/json" \\
-d '{"type": "dm", "members": ["alice", "bob"]}'
"""
MESSAGES = """
curl -X POST http://localhost:8080/rooms/room_abc123/messages \\
-H "X-API-Key: $CHATAPI_KEY" \\
-H "X-User-Id: alice" \\
-H "Content-Type: application/json" \\
-d '{"content": "Hello from my tenant!"}'
"""
FURTHER = """
# Tenant for different organization
curl -X POST http://localhost:8080/admin/tenants \\
-H "X-Master-Key: your-master-key" \\
-H "Content-Type: application/json" \\
-d '{"name": "AnotherCompany"}'
# Tenant for staging environment
curl -X POST http://localhost:8080/admin/tenants \\
-H "X-Master-Key: your-master-key" \\
-H "Content-Type: application/json" \\
-d '{"name": "StagingEnvironment"}'
"""
LOGGED = (
    {"level": "info", "msg": "Tenant validated", "tenant_id": "tenant_abc123"},
    {"level": "error", "msg": "Invalid API key", "error": "tenant not found"},
)
