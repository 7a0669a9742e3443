#include "bluez/exported.h"

#include <utility>

namespace latchkey::bluez {
namespace {

template <class T>
void constant(sdbus::IObject& object, const char* interface, const char* name,
              const char* signature, T value) {
  object.registerProperty(
      interface, name, signature,
      [value = std::move(value)](sdbus::PropertyGetReply& reply) { reply << value; });
}

std::unique_ptr<sdbus::IObject> characteristic(Bus& bus, const std::string& service,
                                               const char* name, const std::string& uuid,
                                               const char* flag) {
  auto object = bus.object(service + "/" + name);
  constant(*object, kCharacteristic, "UUID", "s", uuid);
  constant(*object, kCharacteristic, "Service", "o", sdbus::ObjectPath(service));
  constant(*object, kCharacteristic, "Flags", "as", std::vector<std::string>{flag});
  return object;
}

}  // namespace

sdbus::Error att_error(const char* name) {
  return sdbus::Error(std::string("org.bluez.Error.") + name, name);
}

void answer(Bus* bus, const sdbus::MethodCall& call, const sdbus::Error* error) {
  try {
    auto reply = error != nullptr ? call.createErrorReply(*error) : call.createReply();
    reply.send();
  } catch (const sdbus::Error&) {
    // The bus is gone, and whoever asked with it.
  }
  if (bus != nullptr) {
    bus->nudge();
  }
}

// The written characteristic has no "write without response": BlueZ answers a write at once where
// both are offered, and a central could then be faster than we are.
Exported export_application(Bus& bus, const ServiceNames& names, const Calls& calls) {
  const std::string service = std::string(kApplication) + "/service";
  Exported objects;
  objects.push_back(bus.object(kApplication));
  objects.back()->addObjectManager();

  objects.push_back(bus.object(service));
  constant(*objects.back(), kGattService, "UUID", "s", names.service);
  constant(*objects.back(), kGattService, "Primary", "b", true);

  objects.push_back(characteristic(bus, service, "to_device", names.to_device, "write"));
  objects.back()->registerMethod(kCharacteristic, "WriteValue", "aya{sv}", "", calls.write);

  objects.push_back(characteristic(bus, service, "from_device", names.from_device, "notify"));
  // That it is there tells BlueZ to call AcquireNotify.
  constant(*objects.back(), kCharacteristic, "NotifyAcquired", "b", false);
  objects.back()->registerMethod(kCharacteristic, "AcquireNotify", "a{sv}", "hq", calls.acquire);

  objects.push_back(characteristic(bus, service, "rid", names.rid, "read"));
  objects.back()->registerMethod(kCharacteristic, "ReadValue", "a{sv}", "ay", calls.read);

  for (const auto& object : objects) {
    object->finishRegistration();
  }
  return objects;
}

std::vector<Advert> export_adverts(Bus& bus, const std::string& service, const Rid& rid,
                                   std::size_t number) {
  std::vector<Advert> adverts;
  for (const char* kind : {"service", "rid"}) {
    const std::string path = "/org/latchkey/advert/" + std::string(kind) + std::to_string(number);
    auto object = bus.object(path);
    constant(*object, kAdvertisement, "Type", "s", std::string("peripheral"));
    adverts.push_back({path, std::move(object)});
  }
  constant(*adverts[0].object, kAdvertisement, "Discoverable", "b", true);
  constant(*adverts[0].object, kAdvertisement, "ServiceUUIDs", "as",
           std::vector<std::string>{service});
  const std::map<std::string, sdbus::Variant> data{
      {service, sdbus::Variant(std::vector<std::uint8_t>(rid.begin(), rid.end()))}};
  constant(*adverts[1].object, kAdvertisement, "ServiceData", "a{sv}", data);
  for (Advert& advert : adverts) {
    advert.object->registerMethod(kAdvertisement, "Release", "", "",
                                  [&bus](const sdbus::MethodCall& call) { answer(&bus, call); });
    advert.object->finishRegistration();
  }
  return adverts;
}

}  // namespace latchkey::bluez
