#include "provider/registry.h"

#include "base/text.h"
#include "provider/registry_rules.h"
#include "provider/well_known.h"

namespace latchkey::provider {
namespace {

using attest::ModelStatus;
using attest::OriginStatus;

constexpr std::size_t kMaxReason = 300;
constexpr std::size_t kBatch = 5000;

Error not_found(std::string what) {
  return {ErrorCode::kNotFound, std::move(what)};
}

}  // namespace

Result<void> allow(const Act& act, Action action, bool needs_reason) {
  if (!may(act.role, action)) {
    return fail(Error{ErrorCode::kForbidden, "the role " + act.role + " may not do this"});
  }
  if (needs_reason && clean_display_name(act.why, kMaxReason).empty()) {
    return invalid("say why: a reason is kept with every change of status");
  }
  if (act.why.size() > kMaxReason) {
    return invalid("the reason must have up to 300 bytes");
  }
  return {};
}

bool may_follow(OriginStatus from, OriginStatus to) {
  // Who was revoked comes back by being reinstated, not by way of a milder status.
  return from != to && !(from == OriginStatus::kRevoked && to == OriginStatus::kSuspended);
}

bool may_follow(ModelStatus from, ModelStatus to) {
  if (from == to) {
    return false;
  }
  if (to == ModelStatus::kUpdateAvailable) {
    return !attest::is_revoked(from);
  }
  return true;
}

Result<void> Registry::set_model_status(const attest::Aaguid& aaguid, ModelStatus status,
                                        std::optional<WallTime> effective, const Act& act) {
  if (auto allowed = allow(act, Action::kModelStatus, true); !allowed) {
    return allowed;
  }
  const WallTime from = effective.value_or(act.when);
  // What is published counts at once: a date ahead would be a promise that nobody keeps.
  if (from > act.when || from.unix_seconds < 0) {
    return invalid("the date must not be in the future");
  }
  const auto model = records_.model(aaguid);
  if (!model) {
    return fail(model.error());
  }
  if (!*model) {
    return fail(not_found("there is no model " + attest::aaguid_text(aaguid)));
  }
  if (!may_follow((*model)->status(), status)) {
    return fail(Error{ErrorCode::kConflict,
                      "the model is " + std::string(attest::name_of((*model)->status())) +
                          ": it cannot become " + std::string(attest::name_of(status))});
  }
  return records_.report_model(aaguid, {status, from, act.why}, act);
}

Result<RegisteredOrigin> Registry::register_origin(const Origin& origin, const Act& act) {
  if (auto allowed = allow(act, Action::kOrigins); !allowed) {
    return fail(std::move(allowed.error()));
  }
  // Before anybody is asked: a web service that is known is not looked at on a stranger's word.
  if (const auto known = records_.origin(origin); !known) {
    return fail(known.error());
  } else if (*known) {
    return fail(Error{ErrorCode::kConflict, origin.text() + " is registered already"});
  }
  const auto text = well_known_.fetch(origin);
  if (!text) {
    return fail(text.error());
  }
  const auto file = parse_well_known(*text, origin);
  if (!file) {
    return fail(file.error());
  }
  RegisteredOrigin added{origin, file->name, file->icon, file->contact, OriginStatus::kActive,
                         "",     act.when,   act.when};
  if (auto stored = records_.add_origin(added, act); !stored) {
    return fail(std::move(stored.error()));
  }
  return added;
}

Result<RegisteredOrigin> Registry::check_origin(const Origin& origin, const Act& act) {
  if (auto allowed = allow(act, Action::kOrigins); !allowed) {
    return fail(std::move(allowed.error()));
  }
  auto known = records_.origin(origin);
  if (!known) {
    return fail(std::move(known.error()));
  }
  if (!*known) {
    return fail(not_found(origin.text() + " is not registered"));
  }
  const auto text = well_known_.fetch(origin);
  if (!text) {
    return fail(text.error());
  }
  const auto file = parse_well_known(*text, origin);
  if (!file) {
    return fail(file.error());
  }
  RegisteredOrigin checked = std::move(**known);
  checked.name = file->name;
  checked.icon = file->icon;
  checked.contact = file->contact;
  checked.checked = act.when;
  if (auto stored = records_.update_origin(checked, act); !stored) {
    return fail(std::move(stored.error()));
  }
  return checked;
}

Result<void> Registry::set_origin_status(const Origin& origin, OriginStatus status,
                                         const Act& act) {
  if (auto allowed = allow(act, Action::kOriginStatus, true); !allowed) {
    return allowed;
  }
  const auto known = records_.origin(origin);
  if (!known) {
    return fail(known.error());
  }
  if (!*known) {
    return fail(not_found(origin.text() + " is not registered"));
  }
  if (!may_follow((*known)->status, status)) {
    return fail(Error{ErrorCode::kConflict,
                      origin.text() + " is " + std::string(attest::name_of((*known)->status)) +
                          ": it cannot become " + std::string(attest::name_of(status))});
  }
  return records_.set_origin_status(origin, status, act);
}

Result<void> Registry::revoke_device(const SpkiHash& key, const Act& act) {
  if (auto allowed = allow(act, Action::kDevices, true); !allowed) {
    return allowed;
  }
  return records_.revoke_device({key, act.why, act.when}, act);
}

Result<void> Registry::restore_device(const SpkiHash& key, const Act& act) {
  if (auto allowed = allow(act, Action::kDevices, true); !allowed) {
    return allowed;
  }
  return records_.restore_device(key, act);
}

Result<std::size_t> Registry::revoke_devices(const std::vector<SpkiHash>& keys, const Act& act) {
  if (auto allowed = allow(act, Action::kDevices, true); !allowed) {
    return fail(std::move(allowed.error()));
  }
  std::size_t added = 0;
  for (std::size_t at = 0; at < keys.size(); at += kBatch) {
    std::vector<RevokedDevice> batch;
    for (std::size_t i = at; i < keys.size() && i < at + kBatch; ++i) {
      batch.push_back({keys[i], act.why, act.when});
    }
    const auto done = records_.revoke_devices(batch, act);
    if (!done) {
      return done;
    }
    added += *done;
  }
  return added;
}

}  // namespace latchkey::provider
