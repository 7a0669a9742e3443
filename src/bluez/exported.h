// Inside bluez: what we export to BlueZ, the tree of the GATT application and the advertisements.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bluez/bus.h"
#include "bluez/peripheral.h"

namespace latchkey::bluez {

inline constexpr const char* kApplication = "/org/latchkey/bluetooth";

// What BlueZ calls. Each call is answered exactly once, now or later.
struct Calls {
  std::function<void(sdbus::MethodCall)> write;    // of the value a central wrote
  std::function<void(sdbus::MethodCall)> acquire;  // of the socket for notifications
  std::function<void(sdbus::MethodCall)> read;     // of the rid
};

using Exported = std::vector<std::unique_ptr<sdbus::IObject>>;

// Throws sdbus::Error. The objects go before the bus.
Exported export_application(Bus& bus, const ServiceNames& names, const Calls& calls);

struct Advert {
  std::string path;
  std::unique_ptr<sdbus::IObject> object;
};
// The service's UUID, by which browsers look for it, and the rid: together they are too long for
// one packet of 31 bytes, so they are two advertisements that take turns. The rid's 12 bytes and
// the UUID leave no room for flags: it is found because the other is. `number` makes their paths
// new. Throws sdbus::Error.
std::vector<Advert> export_adverts(Bus& bus, const std::string& service, const Rid& rid,
                                   std::size_t number);

// An error that BlueZ turns into one of ATT.
sdbus::Error att_error(const char* name);
// Answers with nothing, or with an error. Never throws.
void answer(Bus* bus, const sdbus::MethodCall& call, const sdbus::Error* error = nullptr);

}  // namespace latchkey::bluez
