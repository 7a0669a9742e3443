// init, audit.
#include <poll.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "store/provider_store.h"

namespace latchkey::providerd {
namespace {

using nlohmann::json;

void init(Context& context) {
  const auto before = store::ProviderStore::init(context.database);
  if (!before) {
    complain(context, before.error());
    return;
  }
  const json document = {{"database", "ready"}, {"version_before", *before}};
  answer(context, document,
         *before == 0 ? "The database is ready. Next: latchkey-provider vendor import FILE, or "
                        "origin add https://..."
                      : "The database is up to date.");
}

json to_json(const provider::AuditEntry& entry) {
  json detail = json::parse(entry.detail, nullptr, false);
  return {{"seq", entry.seq},         {"when", entry.act.when.unix_seconds},
          {"who", entry.act.who},     {"role", entry.act.role},
          {"why", entry.act.why},     {"action", entry.action},
          {"subject", entry.subject}, {"detail", detail.is_discarded() ? json() : detail}};
}

struct AuditOptions {
  bool follow = false;
  std::uint64_t after = 0;
  std::size_t last = 0;  // 0: all
};

// One entry is up to three lines of 80 columns: when, who, what; what about; why.
std::string lines(const provider::AuditEntry& entry) {
  std::string text = std::to_string(entry.seq) + "  " + time_text(entry.act.when) + "  " +
                     entry.act.who + " (" + entry.act.role + ")  " + entry.action + "\n    " +
                     entry.subject + "\n";
  return entry.act.why.empty() ? text : text + "    " + entry.act.why + "\n";
}

// A line of JSON each, so that it can be followed.
void print(Context& context, const provider::AuditEntry& entry) {
  answer(context, to_json(entry), lines(entry));
}

void audit(Context& context, const AuditOptions& options) {
  provider::Records* log = records(context);
  if (log == nullptr) {
    return;
  }
  std::uint64_t after = options.after;
  if (options.last > 0) {
    const auto newest = log->last_seq();
    after = newest && *newest > options.last ? *newest - options.last : 0;
  }
  constexpr std::size_t kPage = 500;
  constexpr int kLookEvery = 1000;  // ms
  while (context.exit == kDone) {
    const auto entries = log->audit(after, kPage);
    if (!entries) {
      complain(context, entries.error());
      return;
    }
    for (const provider::AuditEntry& entry : *entries) {
      print(context, entry);
      after = entry.seq;
    }
    if (entries->size() < kPage) {
      if (!options.follow) {
        return;
      }
      ::poll(nullptr, 0, kLookEvery);
    }
  }
}

}  // namespace

void add_init_commands(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("init", "Make the database, or bring it up to date");
  command->callback([&context] { init(context); });
}

void add_audit_commands(CLI::App& app, Context& context) {
  auto options = std::make_shared<AuditOptions>();
  auto* command = app.add_subcommand("audit", "Who changed what, when and why; oldest first");
  command->add_flag("--follow", options->follow, "Go on with what comes, until stopped");
  auto* after = command->add_option("--after", options->after, "Only entries after this number");
  command->add_option("--last", options->last, "Only the newest so many")->excludes(after);
  command->callback([&context, options] { audit(context, *options); });
}

}  // namespace latchkey::providerd
