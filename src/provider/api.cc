#include "provider/api.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "provider/api_call.h"
#include "provider/tokens.h"

namespace latchkey::provider {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kOpen = "/openapi.json";  // the one path without a token
constexpr std::size_t kMaxSegments = 8;

constexpr std::array kRoutes = {
    ApiRoute{"GET", kOpen, Action::kRead, get_openapi},
    ApiRoute{"GET", "/v1/status", Action::kRead, get_status},
    ApiRoute{"GET", "/v1/audit", Action::kRead, get_audit},
    ApiRoute{"POST", "/v1/publish", Action::kPublish, post_publish},
    ApiRoute{"GET", "/v1/tokens", Action::kTokens, get_tokens},
    ApiRoute{"POST", "/v1/tokens", Action::kTokens, post_token},
    ApiRoute{"DELETE", "/v1/tokens/{name}", Action::kTokens, delete_token},
    ApiRoute{"GET", "/v1/vendors", Action::kRead, get_vendors},
    ApiRoute{"POST", "/v1/vendors", Action::kVendors, post_vendor},
    ApiRoute{"POST", "/v1/vendors/import", Action::kVendors, post_vendor_import},
    ApiRoute{"GET", "/v1/vendors/{id}", Action::kRead, get_vendor},
    ApiRoute{"POST", "/v1/vendors/{id}/roots", Action::kVendors, post_vendor_roots},
    ApiRoute{"GET", "/v1/models", Action::kRead, get_models},
    ApiRoute{"POST", "/v1/models", Action::kModels, post_model},
    ApiRoute{"GET", "/v1/models/{aaguid}", Action::kRead, get_model},
    ApiRoute{"POST", "/v1/models/{aaguid}/status", Action::kModelStatus, post_model_status},
    ApiRoute{"GET", "/v1/origins", Action::kRead, get_origins},
    ApiRoute{"POST", "/v1/origins", Action::kOrigins, post_origin, true},
    ApiRoute{"GET", "/v1/origins/{origin}", Action::kRead, get_origin},
    ApiRoute{"POST", "/v1/origins/{origin}/check", Action::kOrigins, post_origin_check, true},
    ApiRoute{"POST", "/v1/origins/{origin}/status", Action::kOriginStatus, post_origin_status},
    ApiRoute{"GET", "/v1/devices/revoked", Action::kRead, get_devices},
    ApiRoute{"POST", "/v1/devices/revoked", Action::kDevices, post_devices},
    ApiRoute{"GET", "/v1/devices/revoked/{key}", Action::kRead, get_device},
    ApiRoute{"POST", "/v1/devices/revoked/{key}/restore", Action::kDevices, post_device_restore},
};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(at, start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

// The arguments, where the path is the route's. Segments are compared as they were sent, so that no
// encoding makes two paths of one.
std::optional<std::vector<std::string>> match(std::string_view pattern,
                                              const std::vector<std::string_view>& path) {
  const auto wanted = split(pattern, '/');
  if (wanted.size() != path.size()) {
    return std::nullopt;
  }
  std::vector<std::string> arguments;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].starts_with('{')) {
      if (wanted[i] != path[i]) {
        return std::nullopt;
      }
      continue;
    }
    auto decoded = percent_decode(path[i]);
    if (!decoded || decoded->empty()) {
      return std::nullopt;
    }
    arguments.push_back(*std::move(decoded));
  }
  return arguments;
}

struct Found {
  const ApiRoute* route = nullptr;
  std::vector<std::string> arguments;
  std::string allow;  // methods of that path, where the route is none of them
};

Found find_route(std::string_view method, std::string_view path) {
  Found found;
  const auto segments = split(path, '/');
  if (segments.size() > kMaxSegments) {
    return found;
  }
  for (const ApiRoute& route : kRoutes) {
    auto arguments = match(route.path, segments);
    if (!arguments) {
      continue;
    }
    if (route.method == method) {
      return {&route, *std::move(arguments), {}};
    }
    found.allow += (found.allow.empty() ? "" : ", ") + std::string(route.method);
  }
  return found;
}

std::optional<std::vector<std::pair<std::string, std::string>>> read_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> query;
  for (const std::string_view part : split(text, '&')) {
    if (part.empty()) {
      continue;
    }
    const std::size_t equals = std::min(part.find('='), part.size());
    auto name = percent_decode(part.substr(0, equals));
    auto value = percent_decode(part.substr(std::min(equals + 1, part.size())));
    const auto same = [&](const auto& other) { return name && other.first == *name; };
    if (!name || !value || std::ranges::any_of(query, same)) {
      return std::nullopt;
    }
    query.emplace_back(*std::move(name), *std::move(value));
  }
  return query;
}

ApiAnswer plain(int status, const char* code, const char* message) {
  return answer_of(status, {{"error", {{"code", code}, {"message", message}}}});
}

}  // namespace

std::span<const ApiRoute> api_routes() {
  return kRoutes;
}

bool is_slow_call(std::string_view method, std::string_view target) {
  const Found found = find_route(method, target.substr(0, target.find('?')));
  return found.route != nullptr && found.route->is_slow;
}

ApiAnswer Api::handle(const ApiRequest& request) {
  const std::string_view target = request.target;
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  const bool is_open = path == kOpen;
  Token token;
  const WallTime now = clock_.wall_now();
  if (!is_open) {
    // Before anything is said about which paths there are.
    const bool bearer = request.authorization.starts_with(kBearer);
    const auto known =
        bearer ? authenticate(records_,
                              std::string_view(request.authorization).substr(kBearer.size()), now)
               : Result<std::optional<Token>>(std::nullopt);
    if (!known) {
      return answer_of(known.error());
    }
    if (!*known) {
      return plain(401, "unauthorized", "a valid token is needed");
    }
    token = **known;
  }
  Found found = find_route(request.method, path);
  if (found.route == nullptr) {
    ApiAnswer answer = found.allow.empty()
                           ? plain(404, "not_found", "there is nothing at this path")
                           : plain(405, "method_not_allowed", "this path knows other methods");
    answer.allow = found.allow;
    return answer;
  }
  if (!is_open && !may(token.role, found.route->action)) {
    return plain(403, "forbidden", "this token's role may not do that");
  }
  auto query = read_query(target.substr(std::min(mark + 1, target.size())));
  if (!query || request.body.size() > kMaxApiBody || target.size() > kMaxApiTarget) {
    return plain(400, "invalid", "the query is none, or the request is too large");
  }
  ApiCall call{records_,
               registry_,
               random_,
               {token.name, token.role, "", now},
               std::move(found.arguments),
               *std::move(query),
               request.body};
  return found.route->handle(call);
}

}  // namespace latchkey::provider
