// What latchkey-maker does, command by command. Each gives the document that --json prints; files
// it made are named in it.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace latchkey::maker {

struct Error {
  std::string message;
  std::string hint;  // what to do next
};
template <class T>
using Result = latchkey::Result<T, Error>;
using Document = Result<nlohmann::json>;

// A key in a PKCS#11 token; all empty: none.
struct TokenOptions {
  std::filesystem::path module;
  std::string token, object;
  std::filesystem::path pin_file;
};

// `out`: OUT.pem and OUT.key are made, and neither may be there. `issuer`: likewise ISSUER.pem and
// ISSUER.key.
struct IssueOptions {
  std::filesystem::path out, issuer;
  std::string name, organization;
  int years = 0;
  std::string aaguid;
  std::filesystem::path public_key;
  TokenOptions token;
};
struct Surroundings {
  Random& random;
  WallTime now;
};
Document new_root(const IssueOptions& options, Surroundings& around);
Document new_intermediate(const IssueOptions& options, Surroundings& around);
Document new_batch(const IssueOptions& options, Surroundings& around);
Document new_aaguid(Surroundings& around);

Document show(const std::filesystem::path& file);

struct ExportOptions {
  std::string vendor, contact;
  std::vector<std::filesystem::path> roots;
  std::vector<std::string> models;  // AAGUID,TYPE,NAME
};
// What a provider imports.
Document export_vendor(const ExportOptions& options);

struct CheckOptions {
  std::filesystem::path chain, root, key;
  TokenOptions token;
  std::string aaguid;
};
// As an agent will judge it.
Document check(const CheckOptions& options, Surroundings& around);

}  // namespace latchkey::maker
