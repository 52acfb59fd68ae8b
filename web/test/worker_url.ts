/** Stands in for the built worker. */
export default "/worker.js";
