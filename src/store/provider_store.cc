// Opening; tokens; the audit log.
#include "store/provider_store.h"

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "store/provider_schema.h"
#include "store/provider_values.h"

namespace latchkey::store {
namespace {

using nlohmann::json;
using provider::Act;
using provider::AuditEntry;
using provider::ErrorCode;
using provider::Result;
using provider::Token;
using soci::into;
using soci::use;

constexpr std::size_t kMaxTokens = 1000;

std::vector<Token> read_tokens(ProviderDatabase& database, const std::string& where,
                               const std::string& value) {
  std::vector<long long> ids(kMaxTokens);
  std::vector<std::string> names(kMaxTokens);
  std::vector<std::string> roles(kMaxTokens);
  std::vector<std::string> hashes(kMaxTokens);
  std::vector<long long> created(kMaxTokens);
  std::vector<long long> expires(kMaxTokens);
  database.sql() << "SELECT id, name, role, hash, created, expires FROM token WHERE " + where +
                        " = :value ORDER BY name",
      use(value), into(ids), into(names), into(roles), into(hashes), into(created), into(expires);
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto digests = split_digests(hashes[i]);
    if (digests.size() != 1) {
      refuse(ErrorCode::kInternal, "the database holds a token without a hash");
    }
    tokens.push_back({ids[i], names[i], roles[i], digests.front(), {created[i]}, std::nullopt});
    if (expires[i] != 0) {
      tokens.back().expires = WallTime{expires[i]};
    }
  }
  return tokens;
}

std::vector<AuditEntry> read_audit(ProviderDatabase& database, std::uint64_t after, int most) {
  const std::size_t size = room_for(most);
  const auto from = static_cast<long long>(after);
  std::vector<long long> numbers(size);
  std::vector<long long> times(size);
  std::vector<std::string> who(size);
  std::vector<std::string> roles(size);
  std::vector<std::string> why(size);
  std::vector<std::string> actions(size);
  std::vector<std::string> subjects(size);
  std::vector<std::string> details(size);
  database.sql() << "SELECT seq, happened, who, role, why, action, subject, detail FROM audit"
                    " WHERE seq > :after ORDER BY seq LIMIT :most",
      use(from), use(most), into(numbers), into(times), into(who), into(roles), into(why),
      into(actions), into(subjects), into(details);
  std::vector<AuditEntry> entries;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    entries.push_back({static_cast<std::uint64_t>(numbers[i]),
                       {who[i], roles[i], why[i], {times[i]}},
                       actions[i],
                       subjects[i],
                       details[i]});
  }
  return entries;
}

std::string thing_of(const AuditEntry& entry) {
  return entry.action.substr(0, entry.action.find('.')) + " " + entry.subject;
}

}  // namespace

ProviderStore::ProviderStore(std::unique_ptr<ProviderDatabase> database)
    : database_(std::move(database)) {}
ProviderStore::~ProviderStore() = default;

Result<int> ProviderStore::init(const std::string& database) {
  auto connected = ProviderDatabase::connect(database, true);
  if (!connected) {
    return fail(std::move(connected.error()));
  }
  return make_provider_tables(**connected);
}

Result<std::unique_ptr<ProviderStore>> ProviderStore::open(const std::string& database) {
  auto connected = ProviderDatabase::connect(database, false);
  if (!connected) {
    return fail(std::move(connected.error()));
  }
  if (auto checked = check_provider_tables(**connected); !checked) {
    return fail(std::move(checked.error()));
  }
  return std::unique_ptr<ProviderStore>(new ProviderStore(std::move(*connected)));
}

Result<Token> ProviderStore::add_token(const Token& token, const Act& act) {
  Token added = token;
  auto done = database_->change([&] {
    check_act(act);
    check_text(token.name, 1, 64, "a token's name");
    check_text(token.role, 1, 32, "a role");
    const std::uint64_t seq = database_->take_numbers(1);
    long long taken = 0;
    long long all = 0;
    database_->sql() << "SELECT COUNT(*) FROM token WHERE name = :n", use(token.name), into(taken);
    database_->sql() << "SELECT COUNT(*) FROM token", into(all);
    if (taken > 0) {
      refuse(ErrorCode::kConflict, "there is a token called " + token.name + " already");
    }
    if (all >= static_cast<long long>(kMaxTokens)) {
      refuse(ErrorCode::kInvalid, "there are 1000 tokens: remove one first");
    }
    added.id = database_->take_id("token");
    const std::int64_t expires = token.expires ? token.expires->unix_seconds : 0;
    database_->insert("token (id, name, role, hash, created, expires)", 6,
                      {{std::to_string(added.id), token.name, token.role, hex_encode(token.hash),
                        std::to_string(token.created.unix_seconds), std::to_string(expires)}});
    database_->log(seq, act, "token.add", token.name,
                   json{{"role", token.role}, {"expires", expires}}.dump());
  });
  if (!done) {
    return fail(std::move(done.error()));
  }
  return added;
}

Result<void> ProviderStore::remove_token(std::string_view name, const Act& act) {
  const std::string text(name);
  return database_->change([&] {
    check_act(act);
    check_text(text, 1, 64, "a token's name");
    const std::uint64_t seq = database_->take_numbers(1);
    if (database_->run("DELETE FROM token WHERE name = :n", text) == 0) {
      refuse(ErrorCode::kNotFound, "there is no token called " + text);
    }
    database_->log(seq, act, "token.remove", text, "{}");
  });
}

Result<std::vector<Token>> ProviderStore::tokens() {
  return database_->read([&] { return read_tokens(*database_, "'all'", "all"); });
}

Result<std::optional<Token>> ProviderStore::token_by_hash(const Digest256& hash) {
  const std::string hex = hex_encode(hash);
  return database_->read([&]() -> std::optional<Token> {
    auto found = read_tokens(*database_, "hash", hex);
    if (found.empty()) {
      return std::nullopt;
    }
    return std::move(found.front());
  });
}

Result<std::vector<AuditEntry>> ProviderStore::audit(std::uint64_t after, std::size_t limit) {
  return database_->read(
      [&] { return read_audit(*database_, after, page_size({.after = {}, .limit = limit})); });
}

Result<std::uint64_t> ProviderStore::last_seq() {
  return database_->read([&] {
    long long seq = 0;
    database_->sql() << "SELECT seq FROM counter WHERE id = 1", into(seq);
    return static_cast<std::uint64_t>(seq);
  });
}

Result<void> ProviderStore::at_one_moment(const std::function<Result<void>()>& work) {
  return database_->in_moment([&] {
    if (auto done = work(); !done) {
      throw Refusal{std::move(done.error())};
    }
  });
}

Result<std::vector<AuditEntry>> ProviderStore::changed_since(std::uint64_t seq) {
  return database_->moment([&] {
    std::unordered_map<std::string, std::size_t> places;
    std::vector<AuditEntry> newest;
    for (std::uint64_t after = seq;;) {
      auto entries = read_audit(*database_, after, kSweep);
      for (AuditEntry& entry : entries) {
        after = entry.seq;
        const auto [place, is_new] = places.try_emplace(thing_of(entry), newest.size());
        if (is_new) {
          newest.push_back(std::move(entry));
        } else {
          newest[place->second] = std::move(entry);
        }
      }
      if (entries.size() < static_cast<std::size_t>(kSweep)) {
        return newest;
      }
    }
  });
}

}  // namespace latchkey::store
