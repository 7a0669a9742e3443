// One call of the API while it is handled. Internal to src/provider.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "provider/api.h"

namespace latchkey::provider {

struct ApiCall {
  Records& records;
  Registry& registry;
  Random& random;
  Act act;
  std::vector<std::string> arguments;  // of the path, decoded
  std::vector<std::pair<std::string, std::string>> query;
  std::string body;

  [[nodiscard]] const std::string& argument() const { return arguments.front(); }
};

ApiAnswer answer_of(int status, const nlohmann::json& body);
ApiAnswer answer_of(const Error& error);
ApiAnswer invalid_answer(std::string message);

// The members of a body, each taken once. What is missing, of another type, too long or left over
// makes the whole body invalid: ask ok() before anything is done with it.
class Members {
 public:
  explicit Members(const std::string& body);
  std::string text(const char* name, std::size_t max);
  std::string text_or(const char* name, std::size_t max, std::string otherwise);
  std::int64_t number(const char* name, std::int64_t max);
  std::optional<std::int64_t> number_if(const char* name, std::int64_t max);
  // Strings of up to `max` characters.
  std::vector<std::string> texts(const char* name, std::size_t max_items, std::size_t max);
  std::vector<std::string> texts_if(const char* name, std::size_t max_items, std::size_t max);
  // `reason`, obligatory where `needed`.
  std::string reason(bool needed);
  // Also that nothing is left over.
  [[nodiscard]] bool ok();
  [[nodiscard]] ApiAnswer fault() const { return invalid_answer(fault_); }

 private:
  const nlohmann::json* take(const char* name, bool needed);
  void wrong(std::string what);
  nlohmann::json value_;
  std::vector<std::string> taken_;
  std::string fault_;
};

// `limit` (1 to 1000, 100 where not said) and `after` of the query, and nothing else in it.
std::optional<Page> page_of(const ApiCall& call);
// {"items": [...], "next": where the next page starts, or null after the last}
ApiAnswer page_answer(nlohmann::json items, const Page& page, const std::string& last);

nlohmann::json json_of(const Vendor& vendor);
nlohmann::json json_of(const Model& model);
nlohmann::json json_of(const RegisteredOrigin& origin);
nlohmann::json json_of(const RevokedDevice& device);
nlohmann::json json_of(const AuditEntry& entry);
nlohmann::json json_of(const Token& token);

// Handlers, by what they are about.
ApiAnswer get_openapi(ApiCall& call);
ApiAnswer get_status(ApiCall& call);
ApiAnswer get_audit(ApiCall& call);
ApiAnswer post_publish(ApiCall& call);
ApiAnswer get_tokens(ApiCall& call);
ApiAnswer post_token(ApiCall& call);
ApiAnswer delete_token(ApiCall& call);
ApiAnswer get_vendors(ApiCall& call);
ApiAnswer post_vendor(ApiCall& call);
ApiAnswer post_vendor_import(ApiCall& call);
ApiAnswer get_vendor(ApiCall& call);
ApiAnswer post_vendor_roots(ApiCall& call);
ApiAnswer get_models(ApiCall& call);
ApiAnswer post_model(ApiCall& call);
ApiAnswer get_model(ApiCall& call);
ApiAnswer post_model_status(ApiCall& call);
ApiAnswer get_origins(ApiCall& call);
ApiAnswer post_origin(ApiCall& call);
ApiAnswer get_origin(ApiCall& call);
ApiAnswer post_origin_check(ApiCall& call);
ApiAnswer post_origin_status(ApiCall& call);
ApiAnswer get_devices(ApiCall& call);
ApiAnswer post_devices(ApiCall& call);
ApiAnswer get_device(ApiCall& call);
ApiAnswer post_device_restore(ApiCall& call);

}  // namespace latchkey::provider
