// The commands of the command line. Each says what it did and ends with an exit code.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "terminal.h"
#include "wifi.h"

namespace latchkey::cli {

struct Common {
  std::string socket;
};

struct DevicesOptions {
  std::string type;
  double timeout = 5;
  bool nearby = false;  // by Bluetooth, too
};
int devices(const Common& common, const Terminal& terminal, const DevicesOptions& options);

struct GrantOptions {
  std::string origin;
  std::string issuer;  // with whom people sign in; empty: the web service names nobody
  std::string client;
  std::string type;
  std::string device;
  std::string code;
  std::string code_from;
  std::string profile;
  double timeout = 5;
  bool nearby = false;
  WifiOptions wifi;
};
int grant(const Common& common, const Terminal& terminal, const GrantOptions& options);

// A device that the person opens themselves, at an address of its own.
struct AddOptions {
  std::string device;  // its name, or a pairing link; empty: asked for
  std::string name;    // of the address, without .local; empty: proposed
  std::string type;
  std::string code;
  std::string code_from;
  std::string profile;
  double timeout = 5;
  bool nearby = false;
  WifiOptions wifi;
};
int add(const Common& common, const Terminal& terminal, const AddOptions& options);

struct OpenOptions {
  std::string which;
  bool browser = false;
};
// Prints an address with a ticket in it, which signs in once; or starts the browser.
int open_device(const Common& common, const Terminal& terminal, const OpenOptions& options);

int grants(const Common& common, const Terminal& terminal, bool all);

struct RevokeOptions {
  std::string which;
  std::string origin;
  bool all = false;
};
int revoke(const Common& common, const Terminal& terminal, const RevokeOptions& options);

// One grant, by its number or host (control.cc).
int show(const Common& common, const Terminal& terminal, const std::string& which);
int pause(const Common& common, const Terminal& terminal, const std::string& which);
int resume(const Common& common, const Terminal& terminal, const std::string& which);
int renew(const Common& common, const Terminal& terminal, const std::string& which);
// A device, by its name or the beginning of its id; ends all that is allowed on it.
int forget(const Common& common, const Terminal& terminal, const std::string& which);
// Who uses a device besides this person, and what happened there: as the device says.
int people(const Common& common, const Terminal& terminal, const std::string& which);
// The devices a code was typed for, whether they are on or not.
int own_devices(const Common& common, const Terminal& terminal);

struct FetchOptions {
  std::string origin;
  std::string url;
  std::string method;
  std::vector<std::string> fields;
  std::string data;
  bool has_data = false;
  std::string output;
  bool show_head = false;
  std::string resolve;
};
int fetch(const Common& common, const Terminal& terminal, const FetchOptions& options);

struct SetupOptions {
  bool undo = false;
  std::vector<std::string> databases;
  std::vector<std::string> browsers;
  std::vector<std::string> firefox;  // profiles besides those in the usual places
};
int setup(const Common& common, const Terminal& terminal, const SetupOptions& options);

// What providers there are, and asking them now.
int providers(const Common& common, const Terminal& terminal);
int refresh(const Common& common, const Terminal& terminal);

// Moving to another computer (docs/backup.md).
struct MoveOptions {
  std::string file;
  int passphrase_fd = -1;  // asked on the terminal
  bool replace = false;
};
int export_backup(const Common& common, const Terminal& terminal, const MoveOptions& options);
int import_backup(const Common& common, const Terminal& terminal, const MoveOptions& options);
struct AdoptOptions {
  std::string from;
  std::string to;
  bool yes = false;
};
int profiles(const Common& common, const Terminal& terminal);
int adopt(const Common& common, const Terminal& terminal, const AdoptOptions& options);

// What locks the keys, and what is remembered (keys.cc).
struct KeysOptions {
  std::string way;         // "keyring", "passphrase", "file"
  bool change = false;     // another passphrase, where there is one
  int passphrase_fd = -1;  // one line for each passphrase: the current one first
  bool yes = false;
};
int keys_status(const Common& common, const Terminal& terminal);
int keys_seal(const Common& common, const Terminal& terminal, const KeysOptions& options);
int keys_unlock(const Common& common, const Terminal& terminal, const KeysOptions& options);
int store_accept(const Common& common, const Terminal& terminal, const KeysOptions& options);
int store_start_anew(const Common& common, const Terminal& terminal, const KeysOptions& options);

int doctor(const Common& common, const Terminal& terminal);

}  // namespace latchkey::cli
