#include "agent/keeping_request.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "agent/request_fields.h"

namespace latchkey::agent {
namespace {

using fields::id_of;
using fields::is_absent;
using fields::only;
using fields::text_of;
using nlohmann::json;

// Absolute paths.
std::optional<std::vector<std::string>> folders_of(const json& list) {
  if (!list.is_array() || list.size() > kMaxFolders) {
    return std::nullopt;
  }
  std::vector<std::string> folders;
  for (const json& item : list) {
    const auto* text = item.get_ptr<const std::string*>();
    if (text == nullptr || !text->starts_with('/') || text->size() > kMaxFolder ||
        text->find('\n') != std::string::npos) {
      return std::nullopt;
    }
    folders.push_back(*text);
  }
  return folders;
}

struct BackupPlace {
  std::string file;
  SecretBytes passphrase;
};
std::optional<BackupPlace> backup_place(const json& p) {
  auto file = text_of(p, "file", kMaxBackupPath);
  auto passphrase = text_of(p, "passphrase", kMaxPassphrase);
  if (!file || !passphrase || !file->starts_with('/') || file->find('\0') != std::string::npos) {
    return std::nullopt;
  }
  return BackupPlace{*std::move(file), SecretBytes::take(*std::move(passphrase))};
}

struct SecretOrNone {
  std::optional<SecretBytes> value;
};
std::optional<SecretOrNone> secret_of(const json& p, const char* name) {
  if (is_absent(p, name)) {
    return SecretOrNone{};
  }
  auto text = text_of(p, name, kMaxPassphrase);
  return text ? std::optional(SecretOrNone{SecretBytes::take(std::move(*text))}) : std::nullopt;
}

}  // namespace

std::optional<Doctor> read_doctor(const json& p) {
  Doctor doctor;
  if (!only(p, {"databases", "browsers"})) {
    return std::nullopt;
  }
  for (const auto& [name, into] :
       {std::pair("databases", &doctor.databases), std::pair("browsers", &doctor.browsers)}) {
    if (!is_absent(p, name)) {
      *into = folders_of(p[name]);
      if (!*into) {
        return std::nullopt;
      }
    }
  }
  return doctor;
}

std::optional<SetupFirefox> read_setup_firefox(const json& p) {
  SetupFirefox setup;
  if (!only(p, {"on", "folders"}) || is_absent(p, "on") || !p["on"].is_boolean()) {
    return std::nullopt;
  }
  setup.on = p["on"].get<bool>();
  if (!is_absent(p, "folders")) {
    auto folders = folders_of(p["folders"]);
    if (!folders) {
      return std::nullopt;
    }
    setup.folders = *std::move(folders);
  }
  return setup;
}

std::optional<BackupExport> read_backup_export(const json& p) {
  auto place = backup_place(p);
  if (!only(p, {"file", "passphrase"}) || !place) {
    return std::nullopt;
  }
  return BackupExport{std::move(place->file), std::move(place->passphrase)};
}

std::optional<BackupImport> read_backup_import(const json& p) {
  auto place = backup_place(p);
  if (!only(p, {"file", "passphrase", "replace"}) || !place ||
      (!is_absent(p, "replace") && !p["replace"].is_boolean())) {
    return std::nullopt;
  }
  return BackupImport{std::move(place->file), std::move(place->passphrase),
                      p.value("replace", false)};
}

std::optional<ProfilesAdopt> read_profiles_adopt(const json& p) {
  const auto from = id_of<ProfileId>(p, "from");
  const auto to = id_of<ProfileId>(p, "to");
  if (!only(p, {"from", "to"}) || !from || !to || *from == *to) {
    return std::nullopt;
  }
  return ProfilesAdopt{*from, *to};
}

std::optional<StoreUnlock> read_store_unlock(const json& p) {
  auto passphrase = secret_of(p, "passphrase");
  const bool has_prompt = !is_absent(p, "prompt");
  if (!only(p, {"passphrase", "prompt"}) || !passphrase ||
      (has_prompt && !p["prompt"].is_boolean())) {
    return std::nullopt;
  }
  return StoreUnlock{std::move(passphrase->value), has_prompt && p["prompt"].get<bool>()};
}

std::optional<StoreSeal> read_store_seal(const json& p) {
  const auto way = text_of(p, "way", 16);
  auto passphrase = secret_of(p, "passphrase");
  auto current = secret_of(p, "current");
  if (!only(p, {"way", "passphrase", "current"}) || !way || !passphrase || !current) {
    return std::nullopt;
  }
  StoreSeal seal{SealWay::kFile, std::move(passphrase->value), std::move(current->value)};
  if (*way == "keyring") {
    seal.way = SealWay::kKeyring;
  } else if (*way == "passphrase") {
    seal.way = SealWay::kPassphrase;
  } else if (*way != "file") {
    return std::nullopt;
  }
  return seal.passphrase.has_value() == (seal.way == SealWay::kPassphrase)
             ? std::optional(std::move(seal))
             : std::nullopt;
}

}  // namespace latchkey::agent
