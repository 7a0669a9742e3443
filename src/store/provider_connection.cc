#include "store/provider_connection.h"

#include <libpq-fe.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "store/files.h"

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxText = 2000;
constexpr std::string_view kSqlite = "sqlite:";

provider::Error invalid(std::string detail) {
  return {provider::ErrorCode::kInvalid, std::move(detail)};
}

std::string quoted(const std::string& value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') {
      text += '\\';
    }
    text += c;
  }
  return text + "'";
}

bool leaves_this_machine(const std::map<std::string, std::string>& settings) {
  const auto of = [&](const char* key) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::string() : found->second;
  };
  const std::string host = of("hostaddr").empty() ? of("host") : of("hostaddr");
  return !host.empty() && host.front() != '/' && host.front() != '@' && host != "localhost" &&
         host != "127.0.0.1" && host != "::1";
}

provider::Result<Connection> read_postgres(const std::string& text) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&::PQconninfoFree)> options(
      ::PQconninfoParse(text.c_str(), &problem), &::PQconninfoFree);
  if (!options) {
    // Its message may repeat the text, which may hold a password.
    ::PQfreemem(problem);
    return fail(
        invalid("the database's text is neither sqlite:/PATH nor a connection text of "
                "PostgreSQL such as postgresql://user@host/name"));
  }
  std::map<std::string, std::string> settings = {{"connect_timeout", "10"},
                                                 {"application_name", "latchkey-provider"},
                                                 {"client_encoding", "UTF8"}};
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) {
      settings[option->keyword] = option->val;
    }
  }
  if (!settings.contains("sslmode") && std::getenv("PGSSLMODE") == nullptr &&
      leaves_this_machine(settings)) {
    settings["sslmode"] = "verify-full";
  }
  Connection connection{.postgres = true, .text = {}};
  for (const auto& [key, value] : settings) {
    connection.text += key + "=" + quoted(value) + " ";
  }
  return connection;
}

}  // namespace

provider::Result<Connection> read_connection(const std::string& text) {
  if (text.empty() || text.size() > kMaxText) {
    return fail(invalid("say which database: --database sqlite:/PATH or postgresql://..."));
  }
  if (!text.starts_with(kSqlite)) {
    return read_postgres(text);
  }
  const std::string path = text.substr(kSqlite.size());
  if (path.empty() || path.front() != '/' || path.find_first_of("\"\n\r?") != std::string::npos) {
    return fail(invalid("after sqlite: comes an absolute path, without quotes or '?'"));
  }
  return Connection{.postgres = false, .text = path};
}

provider::Result<void> prepare_sqlite_file(const std::string& path, bool create) {
  const fs::path folder = fs::path(path).parent_path();
  std::error_code ignored;
  if (create && !fs::exists(folder, ignored)) {
    if (auto made = make_private_folder(folder); !made) {
      return fail(provider::Error{provider::ErrorCode::kUnreachable, made.error().detail});
    }
  }
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0) {
    return fail(provider::Error{provider::ErrorCode::kUnreachable,
                                folder.string() + " is not there: run latchkey-provider init"});
  }
  if ((info.st_uid != ::geteuid() && info.st_uid != 0) || (info.st_mode & 0022) != 0) {
    return fail(invalid("others can write to " + folder.string() +
                        ": keep the database in a folder of its own (chmod 700)"));
  }
  if (!fs::exists(fs::symlink_status(path, ignored))) {
    if (!create) {
      return fail(provider::Error{provider::ErrorCode::kUnreachable,
                                  path + " is not there: run latchkey-provider init"});
    }
    // Two that start at once: the other one's file is as good.
    if (auto made = make_private_file(path); !made && !fs::exists(path, ignored)) {
      return fail(provider::Error{provider::ErrorCode::kUnreachable, made.error().detail});
    }
  }
  if (auto checked = check_private_file(path); !checked) {
    return fail(provider::Error{provider::ErrorCode::kUnreachable, checked.error().detail});
  }
  return {};
}

}  // namespace latchkey::store
