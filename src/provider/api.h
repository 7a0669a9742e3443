// The administration API (docs/api/provider-openapi.json): a request as a value in, an answer as a
// value out. Sockets, and how many attempts an address has, are the server's business
// (apps/provider/api_server). Blocks: the records and the check of web origins do.
//
// Every request but GET /openapi.json carries "Authorization: Bearer lkp_...". Whatever is wrong
// with a token, the answer is the same 401. Bodies and answers are JSON; a body with a member that
// is not known, or that stands twice, is refused. Errors: {"error": {"code", "message"}}.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "provider/records.h"
#include "provider/registry.h"
#include "provider/roles.h"

namespace latchkey::provider {

inline constexpr std::size_t kMaxApiBody = 1048576;
inline constexpr std::size_t kMaxApiTarget = 2048;

struct ApiRequest {
  std::string method;
  std::string target;         // path and query, as sent
  std::string authorization;  // the field's value; empty: none
  std::string body;
};
struct ApiAnswer {
  int status = 200;
  std::string body;        // JSON
  std::string allow = {};  // of 405: the methods that there are
  // For the server's log, of what was 500 or 502: nothing of it went out.
  std::string fault = {};
  bool wants_publication = false;
};

struct ApiCall;  // api_call.h
struct ApiRoute {
  std::string_view method;
  std::string_view path;  // "/v1/models/{aaguid}/status"
  Action action;
  ApiAnswer (*handle)(ApiCall& call);
  bool is_slow = false;  // waits for others on the network
};
std::span<const ApiRoute> api_routes();
// Whether a request may wait for others: for a thread of its own.
bool is_slow_call(std::string_view method, std::string_view target);

class Api {
 public:
  // All outlive it.
  Api(Records& records, Registry& registry, Random& random, const Clock& clock)
      : records_(records), registry_(registry), random_(random), clock_(clock) {}
  ApiAnswer handle(const ApiRequest& request);

 private:
  Records& records_;
  Registry& registry_;
  Random& random_;
  const Clock& clock_;
};

// The OpenAPI document, as it is answered; embedded when the program is built.
std::string_view openapi_document();

}  // namespace latchkey::provider
