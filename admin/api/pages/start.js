// Reads the schema with the token that was entered, and sends the token with everything that is tried out.
const form = document.getElementById("enter");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = document.getElementById("token").value.trim();
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch("openapi.json", { headers });
  if (!answer.ok) {
    document.getElementById("problem").textContent = (await answer.json()).detail;
    return;
  }
  form.hidden = true;
  SwaggerUIBundle({
    spec: await answer.json(),
    domNode: document.getElementById("api"),
    deepLinking: true,
    requestInterceptor: (request) => {
      request.headers.authorization = headers.authorization;
      return request;
    },
  });
});
