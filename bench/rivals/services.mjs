// The platform's services as the rivals call them: @grpc/grpc-js, with the caller's token passed on.
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const PROTOS = fileURLToPath(new URL('../../protos', import.meta.url))
// Milliseconds, as the gateway gives a read.
const READ_TIMEOUT = 10_000

const packages = grpc.loadPackageDefinition(
  loadSync(['catalogue/v1/catalogue.proto', 'orders/v1/orders.proto', 'esims/v1/esims.proto'], {
    includeDirs: [PROTOS],
    longs: Number,
    enums: String,
    defaults: true,
  }),
)

function connect(Client, address) {
  const client = new Client(address, grpc.credentials.createInsecure())
  return (method, request, token) => {
    const metadata = new grpc.Metadata()
    if (token) metadata.set('authorization', `Bearer ${token}`)
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + READ_TIMEOUT }
      client[method](request, metadata, options, (error, answer) => (error ? reject(error) : resolve(answer)))
    })
  }
}

export const catalogue = connect(packages.catalogue.v1.CatalogueService, process.env.CATALOGUE_ADDRESS)
export const orders = connect(packages.orders.v1.OrdersService, process.env.ORDERS_ADDRESS)
export const esims = connect(packages.esims.v1.ESIMsService, process.env.ESIMS_ADDRESS)
